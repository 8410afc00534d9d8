"""`Cover`: rows that show which levels of grouping factors occur, alone and together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from numbamm.design.distinct import Distinct
from numbamm.formula.grouping import Factors
from numbamm.sources.found_levels import FoundLevels


class Cover:
    """A few of the rows, in which every pair of levels occurs that occurs in some row.

    A row is taken if it has a new level of a grouping factor, or a new pair of levels of two of
    them. So there are no more such rows than there are blocks in Z'Z, and the places of these
    blocks follow from them as from all rows.

    Parameters
    ----------
    groupings : sequence of tuple of str
        The columns of each grouping factor.
    """

    def __init__(self, groupings: Sequence[Factors]) -> None:
        self.groupings = list(dict.fromkeys(groupings))
        self.columns = list(dict.fromkeys(name for factors in groupings for name in factors))
        self.levels = {name: FoundLevels(name) for name in self.columns}
        self._rows: list[np.ndarray] = []  # numbers of levels, shape (columns, rows)
        self._tables: dict[tuple, Distinct] = {}

    def __getstate__(self) -> dict:
        return {**vars(self), "_tables": {}, "_rows": [self.rows()]}  # tables are not needed there

    def rows(self) -> np.ndarray:
        """Numbers of levels of the rows that were taken: int32, shape (columns, rows)."""
        none = np.zeros((len(self.columns), 0), dtype=np.int32)
        return np.concatenate([none, *self._rows], axis=1)

    def add(self, frame: dict[str, pd.Series]) -> None:
        """Look at the rows of a frame without missing values."""
        known = [len(self.levels[name]) for name in self.columns]
        self._take(np.array([self.levels[name].add(frame[name]) for name in self.columns]), known)

    def merge(self, other: Cover) -> None:
        """Look at the rows that another cover has taken."""
        rows, known = other.rows(), [len(self.levels[name]) for name in self.columns]
        places = [self.levels[name].merge(other.levels[name]) for name in self.columns]
        if rows.shape[1]:
            numbers = [place[row] for place, row in zip(places, rows, strict=True)]
            self._take(np.array(numbers), known)

    def _take(self, numbers: np.ndarray, known: list[int]) -> None:
        """Take some of the rows, given the numbers of levels that were known before them."""
        new = np.zeros(numbers.shape[1], dtype=bool)
        for codes, before in zip(numbers, known, strict=True):
            _mark_first(codes, before, new)
        of_column, of_grouping = dict(zip(self.columns, numbers, strict=True)), []
        for factors in self.groupings:
            codes = of_column[factors[0]]
            for k, name in enumerate(factors[1:], 2):
                codes = self._numbered(factors[:k], codes << 32 | of_column[name], new)
            of_grouping.append(codes)
        for i, left in enumerate(of_grouping):
            for j, right in enumerate(of_grouping[:i]):
                self._numbered((i, j), left << 32 | right, new)
        self._rows.append(numbers[:, new].astype(np.int32))

    def _numbered(self, what: tuple, keys: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Number the keys, and mark the rows in which one is new."""
        table = self._tables.setdefault(what, Distinct())
        before = table.count
        numbers = table.numbers(keys)
        _mark_first(numbers, before, new)
        return numbers

    def frame(self) -> dict[str, pd.Series]:
        """The rows that were taken, as columns."""
        rows = zip(self.columns, self.rows(), strict=True)
        return {name: self.levels[name].column(numbers) for name, numbers in rows}


def _mark_first(numbers: np.ndarray, before: int, new: np.ndarray) -> None:
    """Mark the first row of each number from `before` on."""
    later = np.flatnonzero(numbers >= before)
    if len(later):
        new[later[np.unique(numbers[later], return_index=True)[1]]] = True
