"""`FoundLevels`: the levels of a categorical column, found chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import DataError
from numbamm.formula.levels import EXACT


class FoundLevels:
    """The levels that occur in a column, numbered in order of appearance.

    Where every chunk is categorical with the same categories, their order is that of the levels.
    Else levels are sorted, as they are where chunks are joined into one frame.

    Parameters
    ----------
    name : str
        The column, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._labels: pd.Index | None = None
        self._categories: pd.Index | None = None  # those of all chunks, while they are the same
        self.ordered = False

    def __len__(self) -> int:
        return 0 if self._labels is None else len(self._labels)

    def add(self, values: Any) -> np.ndarray:
        """Numbers of the values, int64, shape (n,); new levels are added."""
        dtype = getattr(values, "dtype", None)
        if isinstance(dtype, pd.CategoricalDtype):
            categorical = getattr(values, "array", values)
            codes, labels = categorical.codes.astype(np.int64), categorical.categories
            used = np.flatnonzero(np.bincount(codes, minlength=len(labels)))
            place = np.zeros(len(labels), dtype=np.int64)
            place[used] = self._numbers(labels[used])
            self._note(labels, dtype.ordered)
            return place[codes]
        codes, labels = pd.factorize(values)
        numbers = self._numbers(pd.Index(labels))
        self._note(None, False)
        return numbers[codes]

    def merge(self, other: FoundLevels) -> np.ndarray:
        """Add the levels that other rows have; returns their numbers here."""
        if other._labels is None:
            return np.zeros(0, dtype=np.int64)
        numbers = self._numbers(other._labels)
        self._note(other._categories, other.ordered)
        return numbers

    def _numbers(self, labels: pd.Index) -> np.ndarray:
        """Numbers of different labels, of which the new ones are added."""
        if self._labels is None:
            self._labels, self._first = labels, True
            return np.arange(len(labels))
        self._refuse_mixture(labels)
        self._first = False
        numbers = self._labels.get_indexer(labels)
        new = np.flatnonzero(numbers < 0)
        if len(new):
            numbers[new] = len(self._labels) + np.arange(len(new))
            self._labels = self._labels.append(labels[new])
        return numbers

    def _note(self, categories: pd.Index | None, ordered: bool) -> None:
        """Compare the categories of a chunk with those of the chunks before it."""
        if self._first:
            self._categories, self.ordered = categories, ordered
            return
        same = self._categories is not None and categories is not None
        if same and self._categories.equals(categories) and self.ordered == ordered:
            return
        if self.ordered or ordered:
            raise DataError(
                f"column '{self.name}' is an ordered category, but its chunks do not have the same "
                "categories in the same order: give all chunks one categorical type"
            )
        self._categories = None

    def _refuse_mixture(self, labels: pd.Index) -> None:
        """Refuse labels of another kind than those of the chunks before."""
        kinds = {_kind(self._labels), _kind(labels)} - {None}
        if len(kinds) > 1:
            raise DataError(
                f"column '{self.name}' holds {' in some chunks and '.join(sorted(kinds))} in "
                "others: convert it to one type"
            )
        if self._labels.dtype != labels.dtype and kinds == {"numbers"}:
            if any((abs(part) > EXACT).any() for part in (self._labels, labels)):
                raise DataError(
                    f"column '{self.name}' holds integers beyond 2**53, but is of floats in some "
                    "chunks, which cannot tell them apart: give integers in all chunks"
                )

    def index(self) -> pd.Index:
        """The levels in their order."""
        if self._categories is not None:
            return self._categories[np.sort(self._categories.get_indexer(self._labels))]
        return pd.Index(pd.factorize(self._labels, sort=True)[1])

    def used(self) -> tuple[list[Any], list[int]]:
        """All categories in their order, and the places of those that occur."""
        if self._categories is None:
            labels = [] if self._labels is None else list(self.index())
            return labels, list(range(len(labels)))
        return list(self._categories), sorted(self._categories.get_indexer(self._labels).tolist())

    def column(self, numbers: np.ndarray) -> pd.Series:
        """The values behind numbers, as a categorical column with the levels in their order."""
        index = self.index()
        codes = index.get_indexer(self._labels)[numbers]
        return pd.Series(pd.Categorical.from_codes(codes, index, ordered=self.ordered))


def _kind(labels: pd.Index) -> str | None:
    """What labels are, in words; None if there are none."""
    if not len(labels):
        return None
    if labels.dtype.kind in "iufO" and labels.inferred_type in ("integer", "floating"):
        return "numbers"
    kinds = {"b": "truth values", "M": "dates", "m": "durations", "i": "numbers", "u": "numbers"}
    return kinds.get(labels.dtype.kind, "numbers" if labels.dtype.kind == "f" else "text")
