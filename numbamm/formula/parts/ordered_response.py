"""A response of ordered categories, as numbers from 0."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from numbamm.errors import DataError, warn
from numbamm.formula.columns import Table, refuse_rows
from numbamm.formula.expressions import lone_column
from numbamm.formula.levels import as_array
from numbamm.formula.materializer import Materializer
from numbamm.formula.response import Response
from numbamm.formula.scan import FormulaText

#: Most categories; a response with more values is continuous for all purposes.
MOST = 100


def evaluate_ordered(
    text: FormulaText, data: Materializer, columns: dict[str, pd.Series], table: Table
) -> Response:
    """Evaluate the left-hand side as ordered categories.

    Categories of a categorical column are in their own order, numbers and truth values in theirs.

    Parameters
    ----------
    text : FormulaText
    data : Materializer
        Of the rows used.
    columns : dict of str → pandas.Series
        The columns of all rows, with all their categories.
    table : Table
        The user's data.

    Raises
    ------
    DataError
        It is text, whose order nobody knows; has one category, or too many; or is no single column.

    Warns
    -----
    NumbammWarning
        Of categories without rows, which are left out, and of categories that are not said to be
        ordered.
    """
    name = text.response
    if text.counts:
        raise DataError(
            f"the response {name} is for binomial models: an ordinal model has a column of "
            "ordered categories left of ~"
        )
    values = data.values(name, {})
    column = lone_column(name)
    whole = columns[column] if column in columns else values
    kind = _native_kind(table, column) if column in columns else None
    if kind == nw.String:
        raise _text(name, whole)
    if isinstance(getattr(whole, "dtype", None), pd.CategoricalDtype):
        codes, categories = _of_categorical(name, values, whole, kind == nw.Enum)
    else:
        codes, categories = _of_numbers(name, data, values, whole)
    if len(categories) < 2:
        raise DataError(
            f"the response '{name}' has one category in the rows used, {categories[0]!r}: there is "
            "nothing to explain; check the column and the rows used"
        )
    if len(categories) > MOST:
        raise DataError(
            f"the response '{name}' has {len(categories)} different values, each of which would be "
            "a category: use lmm for a continuous response, or make categories of it by pandas.cut"
        )
    return Response(codes.astype(np.float64), categories=categories)


def _native_kind(table: Table, column: str):
    """The type of a column as the user gave it, for libraries that narwhals knows; else None."""
    try:
        kind = nw.from_native(table.native(column), series_only=True).dtype
    except TypeError:
        return None
    return nw.Enum if isinstance(kind, nw.Enum) else kind


def _text(name: str, whole) -> DataError:
    """The error for text, whose order nobody knows."""
    labels = sorted(map(str, pd.unique(pd.Series(as_array(whole)).dropna())))
    return DataError(
        f"the response '{name}' is text, whose order is not known: make it an ordered categorical, "
        f"pandas.Categorical(data['{name}'], categories=[{_listed(list(map(repr, labels)))}], "
        "ordered=True), lowest category first"
    )


def _of_categorical(name: str, values, whole, is_enum: bool) -> tuple[np.ndarray, list[Any]]:
    """Codes and categories of a categorical column, of which `whole` has all categories."""
    categorical = pd.Categorical(values, categories=whole.dtype.categories)
    counts = np.bincount(categorical.codes, minlength=len(categorical.categories))
    used = np.flatnonzero(counts)
    categories = list(categorical.categories[used])
    if not (whole.dtype.ordered or is_enum) and len(categories) > 2:
        warn(
            f"the categories of '{name}' are not said to be ordered; they are taken in this order: "
            f"{_listed(categories, ' < ')}. With pandas, "
            f"data['{name}'].cat.as_ordered() says so"
        )
    if absent := [c for c, count in zip(categorical.categories, counts, strict=True) if not count]:
        warn(f"no row has {name} = {_listed(absent)}: such categories are left out")
    return np.searchsorted(used, categorical.codes), categories


def _of_numbers(name: str, data: Materializer, values, whole) -> tuple[np.ndarray, list[Any]]:
    """Codes and categories of numbers or truth values, ascending."""
    array = as_array(values)
    if array.dtype.kind not in "biuf":
        if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype) or (
            array.dtype.kind in "OUS"
        ):
            raise _text(name, whole)
        data.numeric(name, values)  # says what else it is
    if array.dtype.kind == "b":
        values = array.astype(float)
    numbers = data.numeric(name, values)
    refuse_rows(~np.isfinite(numbers), f"'{name}' is not a finite number", data.rows)
    levels, codes = np.unique(numbers, return_inverse=True)
    if array.dtype.kind == "b":
        return codes, [bool(level) for level in levels]
    return codes, [int(level) if level.is_integer() else float(level) for level in levels]


def _listed(labels: list, between: str = ", ", most: int = 8) -> str:
    shown = between.join(map(str, labels[:most]))
    return f"{shown}{between}..." if len(labels) > most else shown
