"""The reference grid: every combination of factor levels, at typical values of covariates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import DataError, OptionError, did_you_mean
from numbamm.formula.arithmetic import is_whole
from numbamm.formula.levels import level_codes
from numbamm.formula.materializer import is_categorical, without_fulldummy
from numbamm.formula.names import column_of
from numbamm.inference.fixed.nesting import nested_factors
from numbamm.options import numbers, shown

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
    nested : dict of str to list of str
        Factors whose levels are those of other factors' levels; see `nested_factors`.

    Raises
    ------
    OptionError
        `at` names what is no variable of the fixed effects, or gives no values.
    DataError
        A value is no level of its factor, or there are too many combinations.
    """

    def __init__(self, frame, at: Mapping[str, Any] | None = None) -> None:
        self.frame = frame
        coded = {column_of(without_fulldummy(e)) for e in frame.design.coding.levels}
        variables = list(frame.columns)
        self.factors = [v for v in variables if v in coded or _is_factor(frame.columns[v])]
        self.values = {name: self._typical(name) for name in variables}
        codes = {v: pd.Index(self.values[v]).get_indexer(frame.columns[v]) for v in self.factors}
        self.nested = nested_factors(frame, codes)
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

    def with_outer(self, names: list[str]) -> list[str]:
        """The variables, and the factors that they are nested in."""
        outer = (other for name in names for other in self.nested.get(name, ()))
        return list(dict.fromkeys([*names, *outer]))

    def cells(self, names: list[str], weights: str) -> Cells:
        """Averages over all other variables, of the combinations that nested factors have.

        Parameters
        ----------
        names : list of str
            The variables that are kept, the first one fastest.
        weights : {"equal", "proportional"}
            Of the combinations of the others' levels: alike, those of a nested factor within the
            levels of its outer ones; or their numbers of rows.
        """
        kept = list(product(*(self.values[name] for name in reversed(names))))
        labels = pd.DataFrame([c[::-1] for c in kept], columns=names, index=range(len(kept)))
        variables = list(self.values)
        depth = {name: len(self.nested.get(name, ())) for name in variables}
        others = sorted((v for v in variables if v not in names), key=depth.get)  # stable
        shape = [len(v) for v in self.values.values()]
        axes = [variables.index(name) for name in [*reversed(names), *others]]
        grid = np.arange(len(self.rows)).reshape(shape).transpose(axes)
        members = grid.reshape(len(kept), -1)
        nested = [name for name in others if name in self.nested]
        exists = self._exists(self.with_outer(nested)).reshape(shape).transpose(axes)
        exists = exists.reshape(len(kept), *(len(self.values[name]) for name in others))
        share = _shares(exists) if weights == "equal" else exists * self._counts(names, others)
        share = share.reshape(members.shape)
        total = share.sum(axis=1, keepdims=True)
        share = np.divide(share, total, out=np.full(members.shape, np.nan), where=total > 0)
        there = self._exists(*(self.with_outer([v]) for v in names if v in self.nested))
        there = there[members].any(axis=1)
        labels = labels[there].reset_index(drop=True)
        return Cells(labels, members[there], share[there])

    def _exists(self, *together: list[str]) -> np.ndarray:
        """Whether the data have the levels of each list of factors together.

        Returns
        -------
        ndarray of bool, shape (rows of the grid,)
        """
        found = np.ones(len(self.rows), dtype=bool)
        for names in filter(None, together):
            data = pd.MultiIndex.from_arrays([self.frame.columns[name] for name in names])
            found &= pd.MultiIndex.from_arrays([self.rows[name] for name in names]).isin(data)
        return found

    def _counts(self, names: list[str], others: list[str]) -> np.ndarray:
        """Rows of the data in each combination of the others' levels, shape (kept, *others).

        Within the levels of kept factors, where others are nested in them.
        """
        outer = [n for n in reversed(names) if any(n in self.nested.get(o, ()) for o in others)]
        counted = [*outer, *others]
        codes = np.zeros((len(counted), len(self.frame.y)), dtype=np.int64)
        for row, name in zip(codes, counted, strict=True):
            if name in self.factors:
                row[:] = pd.Index(self.values[name]).get_indexer(self.frame.columns[name])
        sizes = [len(self.values[name]) if name in self.factors else 1 for name in counted]
        counts = np.zeros(sizes)
        np.add.at(counts, tuple(codes[:, (codes >= 0).all(axis=0)]), 1)
        full = [len(self.values[name]) for name in [*reversed(names), *others]]
        kept = [len(self.values[n]) if n in outer else 1 for n in reversed(names)]
        counts = counts.reshape([*kept, *sizes[len(outer) :]])
        return np.broadcast_to(counts, full).reshape(-1, *full[len(names) :])

    def _typical(self, name: str) -> list:
        column = self.frame.columns[name]
        if name in self.factors:
            return level_codes(column)[1].tolist()
        return [float(column.mean())]

    def _given(self, name: str, given: Any) -> list:
        several = isinstance(given, Iterable) and np.ndim(np.asarray(given, dtype=object))
        values = list(given) if several else [given]
        if not values:
            raise OptionError(f"at gives no values for '{name}'")
        if name not in self.factors:
            values = numbers(f"at['{name}']", values)
            if values.ndim != 1 or not np.isfinite(values).all():
                raise OptionError(f"at['{name}'] must be finite numbers, not {shown(given)}")
            return values.tolist()
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
        try:
            matrices = design.matrices(design.materializer(columns, rows), terms=[])
        except DataError as error:  # as of C(x % 7) at the mean of x
            covariates = [name for name in self.values if name not in self.factors]
            raise DataError(
                f"{error}; give values of {', '.join(covariates)} that the data have by "
                "at={name: values}"
            ) from None
        offset = np.zeros(len(rows)) if matrices.offset is None else matrices.offset
        if frame.has_array_offset or frame.offset_name:  # its mean, as that of a covariate
            offset = np.full(len(rows), np.mean(frame.offset))
        return matrices.X, offset


@dataclass(frozen=True)
class Cells:
    """Averages over rows of a reference grid.

    Attributes
    ----------
    labels : pandas.DataFrame
        A line for each combination of the kept variables.
    members : ndarray of int64, shape (combinations, m)
        The rows that are averaged.
    share : ndarray, shape (combinations, m)
        Their weights, which add up to one; NaN where no row is left.
    """

    labels: pd.DataFrame
    members: np.ndarray
    share: np.ndarray

    def average(self, values) -> np.ndarray:
        """Averages of values of the grid's rows, shape (rows, ...)."""
        return np.einsum("cw,cw...->c...", self.share, values[self.members])


def _shares(exists) -> np.ndarray:
    """Equal weights, step by step: of the first variable's levels, of the second's within it ...

    Parameters
    ----------
    exists : ndarray of bool, shape (combinations, levels of one variable, of the next, ...)
    """
    share = exists.astype(np.float64)
    for axis in range(1, exists.ndim):
        some = exists.any(axis=tuple(range(axis + 1, exists.ndim)), keepdims=True)
        share = share / np.maximum(some.sum(axis=axis, keepdims=True), 1)
    return share


def _is_factor(column: pd.Series) -> bool:
    """Whether a column that no effect codes holds levels; integers beyond 64 bits are objects."""
    if is_whole(column):
        return False
    return isinstance(column.dtype, pd.CategoricalDtype) or is_categorical(column)
