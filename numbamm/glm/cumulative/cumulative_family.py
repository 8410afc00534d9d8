"""`Cumulative`: the family of ordered categories, for `ModeFinder` and for tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from numbamm.glm import row_kernels
from numbamm.glm.cumulative.cumulative_rows import (
    LINES_OF_TABLE,
    LOWER,
    RATE,
    UPPER,
    cumulative_rows,
)
from numbamm.glm.family import Family
from numbamm.glm.link import Link

#: Links whose density is log-concave: the log-probability of each category is concave in η and the
#: thresholds (Pratt 1981, J. Am. Stat. Assoc. 76, 103; Burridge 1981, J. R. Stat. Soc. B 43, 41).
CONCAVE = ("logit", "probit", "cloglog", "loglog")


@dataclass(frozen=True, eq=False, repr=False)
class Cumulative(Family):
    """Ordered categories; a row's thresholds and scale are parameters besides η.

    Responses are numbers of categories, from 0.
    """

    def __reduce__(self):
        return ordinal_family, (int(self.bounds[1]) + 1,)

    def is_canonical(self, link: Link) -> bool:
        """Whether the observed information is positive everywhere, so that no other is needed."""
        return self.is_concave(link)

    table_lines = LINES_OF_TABLE

    def probabilities(self, link: Link, alpha, eta, log_scale) -> np.ndarray:
        """Probabilities of all categories, exact in the tails, shape (n, K).

        Parameters
        ----------
        link : Link
        alpha : ndarray, shape (n, K - 1)
            Thresholds of the rows, increasing.
        eta, log_scale : ndarray, shape (n,)
        """
        n, thresholds = alpha.shape
        _, kernel = self.addresses(link)
        ends = np.full((thresholds + 2, n), np.inf)
        ends[0], ends[1:-1] = -np.inf, alpha.T
        eta, ones = np.ascontiguousarray(eta, dtype=np.float64), np.ones(n)
        table, out = np.empty((LINES_OF_TABLE, n)), np.empty((row_kernels.LINES, n))
        table[RATE] = np.exp(-log_scale)
        found = np.empty((n, thresholds + 1))
        for k in range(thresholds + 1):
            table[LOWER], table[UPPER] = ends[k], ends[k + 1]
            arguments = ones, ones, ones, 0.0, 0.0, eta, table
            row_kernels.evaluate_rows(
                row_kernels.DEVIANCE, 0, kernel, *arguments, row_kernels.NO_BARRIER, out
            )
            found[:, k] = np.exp(-0.5 * out[row_kernels.FIRST])
        return found

    def addresses(self, link: Link) -> tuple[int, int]:
        what = "" if link.inverse is None else f"inverse of the link {link.name}"
        return 0, row_kernels.address_of(rows_of(link), row_kernels.FAMILY, what)


@lru_cache
def rows_of(link: Link):
    """The row kernel of a link."""
    return cumulative_rows(*link.tails(), kept=link.inverse is None)


@lru_cache
def ordinal_family(count: int) -> Cumulative:
    """The family of responses with so many categories."""
    return Cumulative(
        "cumulative",
        words="ordinal",
        link="logit",
        rows=rows_of,
        support="ordered categories",
        discrete=True,
        concave=CONCAVE,
        weights="rows",
        bounds=(0.0, count - 1.0),
    )
