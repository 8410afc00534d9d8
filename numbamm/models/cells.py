"""`Cells`: rows of a generalized model that are equal but for their responses, taken together.

Surveys and trials have many: all that is known of a person is a region, an age group and the like.
Where a log-density is linear in the response, as the binomial and the Poisson one, the likelihood
of rows with one η is, up to a constant, that of their mean with their weights summed; PIRLS then
passes over cells in place of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from numbamm.design.rowhash import row_hashes
from numbamm.glm.family import Family

#: Fewer rows than this are not worth the search, nor cells that hold fewer rows on average.
MANY_ROWS, WORTHWHILE = 10_000, 2.0
#: Rows that are looked at first, and the factor of two by which their number of pairs may mislead.
SAMPLE, CAUTION = 2_000, 2.0


@dataclass
class Cells:
    """Which rows are taken together.

    Attributes
    ----------
    of_row : ndarray of int, shape (n,)
        The cell of each row.
    first : ndarray of int, shape (number of cells,)
        A row of each cell.
    """

    of_row: np.ndarray
    first: np.ndarray

    def total(self, values) -> np.ndarray:
        """Sums over the cells."""
        return np.bincount(self.of_row, values, len(self.first))

    def merged(self, y, weights) -> tuple[np.ndarray, np.ndarray]:
        """Weighted means of y and sums of the weights, cell by cell."""
        total = self.total(weights)
        mean = np.divide(self.total(weights * y), total, out=y[self.first], where=total > 0)
        return mean, total

    def constant(self, family: Family, y, weights) -> float:
        """By how much the deviance of the rows exceeds that of the cells, whatever η is."""
        rows = weights @ family.entropy(y)
        mean, total = self.merged(y, weights)
        return 2.0 * float(rows - total @ family.entropy(mean))


def find_cells(family: Family, terms, columns) -> Cells | None:
    """The cells of the rows, if there are enough rows, and few enough cells.

    Parameters
    ----------
    family : Family
    terms : sequence of ReMat
    columns : sequence of ndarray, shape (n,)
        All else that makes η.
    """
    n = len(terms[0].refs)
    if family.entropy is None or n < MANY_ROWS:
        return None
    columns = [*columns, *(term.refs for term in terms), *(row for term in terms for row in term.z)]
    some = np.random.default_rng(0).choice(n, SAMPLE, replace=False)
    pairs = SAMPLE - len(np.unique(row_hashes([column[some] for column in columns])))
    if pairs < SAMPLE**2 / 2 / (n / WORTHWHILE) / CAUTION:
        return None
    of_row, keys = pd.factorize(row_hashes(columns))
    if len(keys) * WORTHWHILE > n:
        return None
    first = np.empty(len(keys), dtype=np.int64)
    first[of_row] = np.arange(n)
    at = first[of_row]
    if not all(np.array_equal(column[at], column) for column in columns):
        return None  # two cells with one hash: next to impossible
    return Cells(of_row, first)
