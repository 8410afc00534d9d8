"""The reference grid: every combination of factor levels, at typical values of covariates."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import DataError, OptionError, did_you_mean
from numbamm.formula.levels import level_codes
from numbamm.formula.materializer import is_categorical
from numbamm.formula.names import column_of

#: Combinations from which a grid is refused.
LARGEST = 1_000_000


class ReferenceGrid:
    """Rows to predict for, and the linear combinations of β that predict them.

    Parameters
    ----------
    frame : ModelFrame
    at : dict, optional
        Values of some variables, in the place of their levels or means.

    Attributes
    ----------
    values : dict of str to list
        The values of each variable of the fixed effects: a factor's levels, a covariate's mean.
    rows : pandas.DataFrame
        All combinations, the last variable fastest.
    X : ndarray, shape (rows, p)
    offset : ndarray, shape (rows,)

    Raises
    ------
    OptionError
        `at` names what is no variable of the fixed effects, or gives no values.
    DataError
        A value is no level of its factor, or there are too many combinations.
    """

    def __init__(self, frame, at: Mapping[str, Any] | None = None) -> None:
        self.frame = frame
        coded = {column_of(expression) for expression in frame.design.coding.levels}
        variables = list(frame.columns)
        self.factors = [v for v in variables if v in coded or _is_factor(frame.columns[v])]
        self.values = {name: self._typical(name) for name in variables}
        for name, given in (at or {}).items():
            self.check(name)
            self.values[name] = self._given(name, given)
        size = int(np.prod([len(v) for v in self.values.values()], dtype=float))
        if size > LARGEST:
            raise DataError(
                f"the reference grid has {size} combinations of the levels of "
                f"{', '.join(self.factors)}; give some of them by at={{name: values}}"
            )
        combinations = list(product(*self.values.values()))
        self.rows = pd.DataFrame(combinations, columns=list(self.values), index=range(size))
        for name in self.values:
            self.rows[name] = self._as_data(name, self.rows[name])
        self.X, self.offset = self._matrices()

    def check(self, name: str) -> None:
        """Refuse a name that is no variable of the fixed effects."""
        if name not in self.values:
            hint = did_you_mean(name, self.values)
            raise OptionError(
                f"'{name}' is no variable of the fixed effects{hint}; there are "
                f"{', '.join(self.values) or 'none'}"
            )

    def cells(self, names: list[str], weights: str) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
        """Averages over all other variables.

        Parameters
        ----------
        names : list of str
            The variables that are kept, the first one fastest.
        weights : {"equal", "proportional"}
            Of the combinations of the others' levels: alike, or their numbers of rows.

        Returns
        -------
        labels : pandas.DataFrame
            A line for each combination of the kept variables.
        L : ndarray, shape (combinations, p)
        offset : ndarray, shape (combinations,)
        """
        kept = list(product(*(self.values[name] for name in reversed(names))))
        labels = pd.DataFrame([c[::-1] for c in kept], columns=names, index=range(len(kept)))
        shape = [len(v) for v in self.values.values()]
        grid = np.arange(len(self.rows)).reshape(shape)
        axes = [list(self.values).index(name) for name in reversed(names)]
        others = [k for k in range(len(shape)) if k not in axes]
        members = grid.transpose([*axes, *others]).reshape(len(kept), -1)
        w = self._frequencies(others) if weights == "proportional" else np.ones(members.shape[1])
        w = w / w.sum()
        L = np.einsum("w,cwx->cx", w, self.X[members])
        return labels, L, self.offset[members] @ w

    def _frequencies(self, others: list[int]) -> np.ndarray:
        """Rows of the data in each combination of the other variables' levels."""
        names = [list(self.values)[k] for k in others]
        n = len(self.frame.y)
        codes = np.zeros((len(names), n), dtype=np.int64)
        for row, name in zip(codes, names, strict=True):
            if name in self.factors:
                row[:] = pd.Index(self.values[name]).get_indexer(self.frame.columns[name])
        counts = np.zeros([len(self.values[name]) if name in self.factors else 1 for name in names])
        np.add.at(counts, tuple(codes[:, (codes >= 0).all(axis=0)]), 1)
        return np.broadcast_to(counts, [len(self.values[name]) for name in names]).ravel()

    def _typical(self, name: str) -> list:
        column = self.frame.columns[name]
        if name in self.factors:
            return level_codes(column)[1].tolist()
        return [float(column.mean())]

    def _given(self, name: str, given) -> list:
        values = [given] if np.ndim(given) == 0 else list(given)
        if not values:
            raise OptionError(f"at gives no values for '{name}'")
        if name in self.factors:
            levels = self._typical(name)
            unknown = [value for value in values if value not in levels]
            if unknown:
                listed = ", ".join(map(str, levels))
                raise DataError(f"{unknown[0]!r} is no level of '{name}', which has {listed}")
        return values

    def _as_data(self, name: str, values: pd.Series) -> pd.Series:
        """Values of the type that the column has in the data."""
        return values.astype(self.frame.columns[name].dtype) if name in self.factors else values

    def _matrices(self) -> tuple[np.ndarray, np.ndarray]:
        frame, design = self.frame, self.frame.design
        rows = np.arange(len(self.rows))
        columns = {name: self.rows[name] for name in self.rows}
        matrices = design.matrices(design.materializer(columns, rows), terms=[])
        offset = np.zeros(len(rows)) if matrices.offset is None else matrices.offset
        if frame.has_array_offset or frame.offset_name:  # its mean, as that of a covariate
            offset = np.full(len(rows), np.mean(frame.offset))
        return matrices.X, offset


def _is_factor(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype) or is_categorical(column)
