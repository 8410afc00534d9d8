"""The check that an expression has the same value for a row whatever the other rows are.

A model is fitted to the columns that a formula makes of its data, and predicts from those that it
makes of other data. So the value for a row must not depend on the others, but for what stateful
transforms remember. Functions of the caller's are tried out: on a few rows, each alone.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import FormulaError
from numbamm.formula.expressions import Expression, read
from numbamm.formula.functions import FUNCTIONS, is_row_by_row
from numbamm.formula.materializer import Materializer


def refuse_dependent(text: str, data: Materializer, values: Any, state: dict) -> None:
    """Refuse an expression whose values change where a row stands alone.

    Parameters
    ----------
    text
        The expression.
    data
        The rows of the fit.
    values
        Its values there.
    state
        What its transforms remember.

    Raises
    ------
    FormulaError
    """
    expression = read(text, data.data, data.full)
    if _is_known(expression, data):
        return
    whole = _columns(values)
    for row in _telling(whole, data.nrows):
        try:
            alone = _columns(data.row(row, expression.used).values(text, copy.deepcopy(state)))
            same = len(alone) == len(whole) and all(map(_same, alone, whole, [row] * len(whole)))
        except Exception as error:  # whatever a function of the user's raises
            same, why = False, f" ({error})"
        else:
            why = ""
        if not same:
            raise FormulaError(
                f"'{text}' has another value in row {data.rows[row]} where that row stands alone"
                f"{why}: other data would have other effects. Use center(x), scale(x), or "
                "np.mean(x) and its like, which remember the data of the fit; or make it a column "
                f"of the data{_shadowing(expression, data)}"
            )


def _shadowing(expression: Expression, data: Materializer) -> str:
    """Says which functions are the caller's where the formula has others of their names."""
    names = sorted(expression.functions)
    taken = [n for n in names if n in FUNCTIONS and data.meaning(n) is not FUNCTIONS[n]]
    return "".join(f". '{name}' is your own function here, not the formula's" for name in taken)


def _is_known(expression: Expression, data: Materializer) -> bool:
    """Whether nothing in the expression can look at other rows."""
    return (
        expression.safe
        and data.nrows not in expression.lengths  # such a list may have an entry for each row
        and all(is_row_by_row(data.meaning(name), name) for name in expression.functions)
        and all(np.ndim(data.meaning(name)) == 0 for name in expression.values)
    )


def _telling(whole: list[np.ndarray], nrows: int) -> list[int]:
    """Rows at which a dependence shows: some, and where the values are least and greatest."""
    rows = np.linspace(0, nrows - 1, 7).astype(int).tolist()
    for values in whole[:3]:
        if values.dtype.kind in "biuf":
            rows += [int(np.argmin(values)), int(np.argmax(values))]
    return list(dict.fromkeys(rows))


def _columns(values: Any) -> list[np.ndarray]:
    """The columns of whatever an expression gives."""
    values = getattr(values, "__wrapped__", values)
    if isinstance(values, pd.DataFrame):
        values = {name: values[name] for name in values}
    if isinstance(values, dict):
        return [np.asarray(v) for k, v in values.items() if not str(k).startswith("__")]
    array = np.asarray(values)
    return list(array.T) if array.ndim == 2 else [np.atleast_1d(array)]


def _same(alone: np.ndarray, whole: np.ndarray, row: int) -> bool:
    if alone.shape != (1,) or len(whole) <= row:
        return False
    if alone.dtype.kind in "biuf" and whole.dtype.kind in "biuf":
        size = np.max(np.abs(whole), initial=0.0)
        return bool(np.isclose(alone[0], whole[row], rtol=1e-8, atol=1e-10 * size, equal_nan=True))
    return bool(alone[0] == whole[row])
