"""`ReferenceGrid`: all combinations of factor levels, with covariates at their means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import DataError, OptionError, did_you_mean, shown
from numbamm.formula.arithmetic import is_whole
from numbamm.formula.levels import level_codes, type_hint
from numbamm.formula.materializer import is_categorical, without_fulldummy
from numbamm.formula.names import column_of
from numbamm.inference.fixed.nesting import nested_factors
from numbamm.options import numbers
from numbamm.sources.variables import with_variables

#: Largest number of combinations in a grid.
LARGEST = 1_000_000


class ReferenceGrid:
    """The rows of a grid of predictors, and the linear combinations of β that predict them.

    Parameters
    ----------
    frame : ModelFrame
    at : dict, optional
        Values of some variables, instead of their levels or means.

    Attributes
    ----------
    values : dict of str to list
        Values of each variable of the fixed effects: a factor's levels, a covariate's mean.
    rows : pandas.DataFrame
        All combinations; the last variable changes fastest.
    X : ndarray, shape (rows, p)
    offset : ndarray, shape (rows,)
    nested : dict of str to list of str
        For each nested factor those that it is nested in; see `nested_factors`.

    Raises
    ------
    OptionError
        `at` has a name that is no variable of the fixed effects, or an empty list of values.
    DataError
        A value is no level of its factor, or the grid would have too many rows.
    """

    def __init__(self, frame, at: Mapping[str, Any] | None = None) -> None:
        self.frame = frame = with_variables(frame)
        variables, self.factors = list(frame.columns), factors_of(frame)
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
                f"{', '.join(self.factors)}: restrict some of them by at={{name: values}}"
            )
        combinations = list(product(*self.values.values()))
        self.rows = pd.DataFrame(combinations, columns=list(self.values), index=range(size))
        for name in self.values:
            self.rows[name] = self._as_data(name, self.rows[name])
        self.X, self.offset = self.matrices(self.rows)

    def check(self, name: str) -> None:
        """Raise an `OptionError` if a name is no variable of the fixed effects."""
        if name not in self.values:
            hint = did_you_mean(name, self.values)
            raise OptionError(
                f"'{name}' is no variable of the fixed effects{hint}; there are "
                f"{', '.join(self.values) or 'none'}"
            )

    def with_outer(self, names: list[str]) -> list[str]:
        """The variables, followed by the factors that they are nested in."""
        outer = (other for name in names for other in self.nested.get(name, ()))
        return list(dict.fromkeys([*names, *outer]))

    def cells(self, names: list[str], weights: str) -> Cells:
        """Averages over all other variables, for the existing combinations of nested factors.

        Parameters
        ----------
        names : list of str
            The variables that are kept; the first one changes fastest.
        weights : {"equal", "proportional", "cells"}
            Weights of the combinations of the others' levels: equal, for a nested factor within
            the levels of its outer ones; or proportional to their numbers of rows, in all data or
            within each combination of the kept variables.
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
        share = (
            _shares(exists) if weights == "equal" else exists * self._counts(names, others, weights)
        )
        share = share.reshape(members.shape)
        total = share.sum(axis=1, keepdims=True)
        share = np.divide(share, total, out=np.full(members.shape, np.nan), where=total > 0)
        present = self._exists(*(self.with_outer([v]) for v in names if v in self.nested))
        present = present[members].any(axis=1)
        labels = labels[present].reset_index(drop=True)
        return Cells(labels, members[present], share[present])

    def _exists(self, *lists: list[str]) -> np.ndarray:
        """Whether each combination of levels occurs in the data, for each list of factors.

        Returns
        -------
        ndarray of bool, shape (rows of the grid,)
        """
        exists = np.ones(len(self.rows), dtype=bool)
        for names in filter(None, lists):
            data = pd.MultiIndex.from_arrays([self.frame.columns[name] for name in names])
            exists &= pd.MultiIndex.from_arrays([self.rows[name] for name in names]).isin(data)
        return exists

    def _counts(self, names: list[str], others: list[str], weights: str) -> np.ndarray:
        """Number of rows of the data in each combination of the others' levels.

        If other factors are nested in kept ones, rows are counted within the levels of these; with
        the weights of ``"cells"`` within the levels of all kept factors.

        Returns
        -------
        ndarray, shape (combinations of the kept variables, *numbers of the others' levels)
        """
        outer = [
            n
            for n in reversed(names)
            if (weights == "cells" and n in self.factors)
            or any(n in self.nested.get(o, ()) for o in others)
        ]
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
        """The levels of a factor, or the mean of a covariate."""
        column = self.frame.columns[name]
        if name in self.factors:
            return level_codes(column)[1].tolist()
        return [float(column.mean())]

    def _given(self, name: str, given: Any) -> list:
        """The values of a variable in the option `at`, as a list."""
        several = isinstance(given, Iterable) and np.ndim(np.asarray(given, dtype=object))
        values = list(given) if several else [given]
        if not values:
            raise OptionError(f"at['{name}'] is empty: give one value or more")
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
                raise DataError(
                    f"at: {shown(unknown[0])} is no level of '{name}', which has {listed}"
                    f"{type_hint(unknown, levels)}"
                )
        return values

    def _as_data(self, name: str, values: pd.Series) -> pd.Series:
        """Values with the type of the column in the data."""
        return values.astype(self.frame.columns[name].dtype) if name in self.factors else values

    def averaged(self, names, weights: str) -> list[str]:
        """The note that says over which factors means of combinations of variables are averaged."""
        over = [f for f in self.factors if f not in names and len(self.values[f]) > 1]
        if not over:
            return []
        weighted = {
            "equal": "",
            "proportional": ", weighted by their numbers of rows",
            "cells": ", weighted by their numbers of rows in each cell",
        }[weights]
        return [f"Averaged over the levels of {', '.join(over)}{weighted}."]

    def held(self, names) -> list[str]:
        """The note on covariates, besides these variables, that have one value."""
        at = [
            f"{name} = {_without_rounding(self.values[name][0], self.frame.columns[name]):g}"
            for name in self.values
            if name not in names and name not in self.factors and len(self.values[name]) == 1
        ]
        return [f"At {', '.join(at)}."] if at else []

    def matrices(self, values: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """X and the offset of rows with some values of the variables, such as `rows`.

        Raises
        ------
        DataError
            The columns cannot be computed from these values.
        """
        frame, design = self.frame, self.frame.design
        rows = np.arange(len(values))
        columns = {name: values[name] for name in values}
        try:
            matrices = design.matrices(design.materializer(columns, rows), terms=[])
        except DataError as error:  # as for C(x % 7) at the mean of x
            covariates = [name for name in self.values if name not in self.factors]
            raise DataError(
                f"{error}; give values of {', '.join(covariates)} that occur in the data, by "
                "at={name: values}"
            ) from None
        offset = np.zeros(len(rows)) if matrices.offset is None else matrices.offset
        if frame.has_array_offset or frame.offset_name:  # its mean, as for a covariate
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
        Positions of the rows to average.
    share : ndarray, shape (combinations, m)
        Weights of these rows, which add up to one; NaN if no row exists.
    """

    labels: pd.DataFrame
    members: np.ndarray
    share: np.ndarray

    def average(self, values) -> np.ndarray:
        """Average values that are given for the rows of the grid, shape (rows, ...)."""
        values = values[self.members]
        if np.isnan(values).any():  # of rows that do not count
            values[self.share == 0] = 0.0
        return np.einsum("cw,cw...->c...", self.share, values)


def _shares(exists) -> np.ndarray:
    """Equal weights of the first variable's levels, within each of the second's, and so on.

    Parameters
    ----------
    exists : ndarray of bool, shape (combinations, levels of one variable, of the next, ...)
    """
    share = exists.astype(np.float64)
    for axis in range(1, exists.ndim):
        any_exists = exists.any(axis=tuple(range(axis + 1, exists.ndim)), keepdims=True)
        share = share / np.maximum(any_exists.sum(axis=axis, keepdims=True), 1)
    return share


def _without_rounding(value: float, column) -> float:
    """A mean, or zero where it is a rounding error of the column's values."""
    return 0.0 if abs(value) <= 1e-12 * float(np.abs(column).max()) else value


def factors_of(frame) -> list[str]:
    """The variables of the fixed effects that are factors; the others are covariates."""
    coded = {column_of(without_fulldummy(e)) for e in frame.design.coding.levels}
    return [v for v in frame.columns if v in coded or _is_factor(frame.columns[v])]


def _is_factor(column: pd.Series) -> bool:
    """Whether a column that is not coded as a factor holds levels rather than numbers.

    Integers beyond 64 bits are objects, but numbers.
    """
    if is_whole(column):
        return False
    return isinstance(column.dtype, pd.CategoricalDtype) or is_categorical(column)


def left_of_bar(frame, members, values: pd.DataFrame) -> np.ndarray | None:
    """A term's columns left of the bar for some values; None if these lack their variables.

    Parameters
    ----------
    frame : ModelFrame
    members : list of int
        The formula's terms in the term.
    values : pandas.DataFrame

    Returns
    -------
    ndarray, shape (p, rows), or None
    """
    parts = [frame.design.terms[i] for i in members]
    needed = set().union(*(part.columns - set(part.grouping.factors) for part in parts))
    if not needed <= set(values):
        return None
    columns = {name: values[name] for name in values}
    data = frame.design.materializer(columns, np.arange(len(values)))
    built = frame.design.matrices(data, parts, new_points=True)
    lhs = built.lhs
    for key, (which, _) in built.elsewhere.items():
        lhs[key][which >= 0, 0] = 1.0  # the variance is the same at all points
    return np.vstack([lhs[part.lhs].T for part in parts])
