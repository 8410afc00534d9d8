"""Rows of the data: weights and offsets, missing values, and the columns of complete rows."""

from __future__ import annotations

import ast
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from numbamm.errors import DataError
from numbamm.formula.columns import Table, by_index, refuse_rows, take
from numbamm.formula.levels import is_missing

if TYPE_CHECKING:
    from numbamm.formula.right_side import Design


def vector(
    what: str, given: Any, table: Table, least: float, data: str = "the data"
) -> np.ndarray | None:
    """Weights or offset as floats, one for each row of the data; NaN where missing.

    A pandas Series is matched by its index to data that have labels.
    """
    if given is None:
        return None
    if isinstance(given, str):
        if given not in table.names and not given.isidentifier() and _is_expression(given):
            raise DataError(
                f"{what}: {given!r} is no column but an expression: {_REMEDY[what].format(given)}"
            )
        table.require([given], f"{data} ({what})")
        values = as_floats(table.column(given), f"column '{given}' ({what})")
    else:
        if np.iscomplexobj(given):
            raise DataError(f"{what}: complex numbers are not allowed; give real ones")
        if np.shape(given) != (table.nrows,):
            raise DataError(
                f"{what}: shape {np.shape(given)} where {data} have {table.nrows} rows; "
                "give one value for each row"
            )
        values = as_floats(pd.Series(np.asarray(by_index(table.labels, given, what))), what)
    allowed = "infinite" if least < 0 else "negative or infinite"
    refuse_rows((values < least) | np.isinf(values), f"{what}: {allowed}")
    return values


#: What to do with an expression that is given as weights or offset, which are columns.
_REMEDY = {
    "offset": "write offset({}) into the formula",
    "weights": "make a column of it first, data.assign(w=...), or give the numbers themselves",
}


def _is_expression(text: str) -> bool:
    """Whether a text computes something, rather than being the name of a column."""
    try:
        return not isinstance(ast.parse(text.strip(), mode="eval").body, ast.Name | ast.Attribute)
    except (SyntaxError, ValueError):
        return False


def as_floats(series: pd.Series, what: str) -> np.ndarray:
    """A column as floats, with NaN where a value is missing."""
    categorical = isinstance(series.dtype, pd.CategoricalDtype)
    try:
        if categorical or series.dtype.kind in "mM":
            raise TypeError
        return series.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise DataError(f"{what} must be numbers") from None


def missing_rows(
    columns: dict[str, pd.Series], vectors: tuple[np.ndarray | None, ...], nrows: int
) -> np.ndarray:
    """Whether a value is missing in each row, in a column or vector: bool, shape (nrows,)."""
    missing = np.zeros(nrows, dtype=bool)
    for column in columns.values():
        missing |= is_missing(column)
    for vector in vectors:
        if vector is not None:
            missing |= np.isnan(vector)
    return missing


def complete_rows(
    design: Design, table: Table, weights: Any, offset: Any, more: Collection[str] = ()
) -> tuple:
    """The used columns, and the rows in which nothing is missing and the weight is not zero.

    `more` are columns that are used besides.

    Returns
    -------
    columns : dict of str → pandas.Series
        Of all rows.
    rows : ndarray of int64
        Positions of the complete rows.
    w, o : ndarray of float64, or None
        Weights and offset of all rows.
    n_missing : int
        How many rows miss a value.
    """
    w = vector("weights", weights, table, least=0.0)
    o = vector("offset", offset, table, least=-np.inf)
    used = design.response_columns | design.fixed_columns | design.random_columns
    used = used.union(more, *design.parts.values())
    columns = {name: table.column(name) for name in sorted(used)}
    missing = missing_rows(columns, (w, o), table.nrows)
    rows = np.flatnonzero(~missing if w is None else ~missing & (w != 0))
    return columns, rows, w, o, int(missing.sum())


def frame_of(
    columns: dict[str, pd.Series], rows: np.ndarray, all_levels: bool = False
) -> dict[str, pd.Series]:
    """The columns in the given rows, which have no missing values.

    `all_levels`: keep the categories of categorical columns that do not occur in these rows.
    """
    return {name: take(column, rows, name, all_levels) for name, column in columns.items()}
