"""Values of a categorical column as positions in its list of levels."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import DataError, shown

EXACT = 2**53  #: integers up to this are exact as floats


def level_codes(values: pd.Series | pd.Categorical | np.ndarray) -> tuple[np.ndarray, pd.Index]:
    """Codes of the values (int64, -1 where missing) and the levels that occur, in order.

    The order is that of the categories, or ascending for a column without categories.
    """
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, pd.CategoricalDtype):
        categorical = without_unused(_categorical(values))
        return categorical.codes.astype(np.int64), categorical.categories
    codes, labels = pd.factorize(values, sort=True)
    return codes, pd.Index(labels)


def without_unused(categorical: pd.Categorical) -> pd.Categorical:
    """The values with only the levels that occur; the same object where all of them do.

    pandas would sort the categories in that case, too.
    """
    codes, nlevels = categorical.codes.astype(np.intp), len(categorical.categories)
    counts = np.bincount(codes + 1, minlength=1 + nlevels)[1:]  # -1 is a missing value
    return categorical if counts.all() else categorical.remove_unused_categories()


def as_array(values: Any) -> np.ndarray:
    """Values as an array; for a Series five times as fast as `numpy.asarray`."""
    return values.to_numpy() if isinstance(values, pd.Series) else np.asarray(values)


def is_missing(values: Any) -> np.ndarray:
    """Where values are missing: bool, shape (n,)."""
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, pd.CategoricalDtype):
        return _categorical(values).codes < 0
    if dtype == np.float64:
        return np.isnan(as_array(values))
    return np.asarray(pd.isna(values))


def type_hint(unknown: Iterable, known: Iterable) -> str:
    """The end of a message on unknown levels that look like known ones, but are of another type.

    Empty if there are none.
    """
    unknown = list(unknown)
    by_text = {_text(level): level for level in known} if unknown else {}
    for value in unknown:
        level = by_text.get(_text(value))
        if level is not None and _kind(level) != _kind(value):
            to = {"a text": "str", "a whole number": "int"}.get(_kind(level), "float")
            return (
                f"; {shown(value)} is {_kind(value)} here, but {shown(level)} is {_kind(level)} in "
                f"the fit: convert the values to {to}"
            )
    return ""


def _text(value: Any) -> str:
    """A value as text: the same for 1, 1.0, ``"1"`` and ``"1.0"``."""
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number:.0f}" if number.is_integer() and abs(number) < EXACT else text


def _kind(value: Any) -> str:
    """What a value is, in words."""
    if isinstance(value, str):
        return "a text"
    if isinstance(value, bool | np.bool_):
        return "a truth value"
    if isinstance(value, Integral):
        return "a whole number"
    return "a number" if isinstance(value, Real) else f"a {type(value).__name__}"


def _categorical(values: Any) -> pd.Categorical:
    """The values of a column as a categorical."""
    values = getattr(values, "array", values)
    return values if isinstance(values, pd.Categorical) else pd.Categorical(values)


def positions(values: pd.Series | pd.Categorical, labels: pd.Index) -> np.ndarray:
    """Position of each value in `labels`, -1 where it is not there: int64, shape (m,).

    Raises
    ------
    DataError
        If the values are floats that stand for large integers, which floats cannot tell apart.
    """
    categorical = _categorical(values)
    given = categorical.categories
    if given.dtype.kind == "f" and labels.dtype.kind in "iuO" and (abs(given) > EXACT).any():
        raise DataError(
            f"identifiers beyond 2**53, such as {given[abs(given) > EXACT][0]:.0f}, are floats "
            "here and integers in the fit: floats cannot tell them apart; give integers"
        )
    return np.append(labels.get_indexer(given), -1)[categorical.codes]
