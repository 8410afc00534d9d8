"""Arithmetic inside expressions: on numbers and columns of numbers alone, within bounds.

Python would repeat a string ten billion times, and compute 9**9**8 for days. numpy would compute
in the type of the column, so that small integers would overflow.
"""

from __future__ import annotations

import operator
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

OPERATORS: dict[str, Any] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
}
#: Operators that keep integers as they are, since these may be identifiers.
_OF_IDENTIFIERS = ("FloorDiv", "Mod")
#: Bits of the largest integer that arithmetic on numbers alone may give.
_BITS = 1024


class Unfit(Exception):
    """A value that cannot be used where it stands; the message says why."""


def calculate(name: str, left: Any, right: Any) -> Any:
    """Value of a sum, product, ... of numbers and columns.

    Parameters
    ----------
    name
        Name of the operator, a key of `OPERATORS`.
    left, right
        Numbers or columns of numbers. Columns of integers and of bool become floats first, except
        under ``//`` and ``%``: an identifier may have more digits than a float holds.

    Raises
    ------
    Unfit
        If one of them is not numeric, or if arithmetic on two numbers gives a number that is too
        large or not real.
    """
    if isinstance(left, int | float) and isinstance(right, int | float):
        return of_numbers(name, left, right)
    if name in _OF_IDENTIFIERS and isinstance(right, int) and is_whole(left):
        value = OPERATORS[name](left, right)
        return _in_64_bits(value) if value.dtype == object else value
    return OPERATORS[name](as_number(left), as_number(right))


def of_numbers(name: str, left: int | float, right: int | float) -> int | float:
    """Value of a sum, product, ... of two numbers; see `calculate`."""
    try:
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * (abs(right) if name == "Pow" else 1)
            if bits > _BITS or right.bit_length() > _BITS:
                raise OverflowError
        value = OPERATORS[name](left, right)
    except OverflowError:
        raise Unfit("this number is too large for a formula") from None
    except ZeroDivisionError:
        raise Unfit("this divides by zero") from None
    if isinstance(value, complex):
        raise Unfit("this is not a real number")
    return value


def negative(value: Any) -> Any:
    """The number or the column with its sign changed."""
    return -as_number(value)


def as_number(value: Any) -> Any:
    """A number, or a column of numbers, dates or durations: integers and bool as floats.

    Raises
    ------
    Unfit
        If it is anything else.
    """
    if isinstance(value, int | float):
        return value
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in ("b", "i", "u"):
        return value.astype(float)
    if kind in ("f", "m", "M", "c") or isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, Number):  # fractions, decimals
        return float(value)  # type: ignore[arg-type]
    if is_whole(value):
        raise Unfit("these integers are too large for floats: if they are labels, write C(column)")
    raise Unfit("arithmetic is for numbers and columns of numbers")


def is_whole(value: Any) -> bool:
    """Whether a value is a column of integers, numpy's or Python's."""
    dtype = getattr(value, "dtype", None)
    if getattr(dtype, "kind", "") == "O":
        return np.ndim(value) == 1 and pd.api.types.infer_dtype(value) == "integer"
    return getattr(dtype, "kind", "") in ("i", "u")


def _in_64_bits(value: pd.Series) -> pd.Series:
    try:
        return value.astype(np.int64)
    except OverflowError:
        return value
