"""The check that an expression has the same value for a row whatever the other rows are.

A model is fitted to columns computed from its data, and predicts from columns computed from other
data. So the value of an expression in a row must not depend on the other rows, except through the
state of stateful transforms. The caller's functions are tested on a few rows, each alone.
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
    """Refuse an expression whose value for a row changes when that row is evaluated alone.

    Parameters
    ----------
    text
        The expression.
    data
        The rows of the fit.
    values
        The expression's values in these rows.
    state
        State of its stateful transforms.

    Raises
    ------
    FormulaError
    """
    expression = read(text, data.data, data.full)
    if _is_known(expression, data):
        return
    whole = _columns(values)
    for row in _rows_to_try(whole, data.nrows):
        try:
            alone = _columns(data.row(row, expression.used).values(text, copy.deepcopy(state)))
            same = len(alone) == len(whole) and all(map(_same, alone, whole, [row] * len(whole)))
        except Exception as error:  # whatever a function of the user's raises
            same, reason = False, f" ({error})"
        else:
            reason = ""
        if not same:
            raise FormulaError(
                f"'{text}' has another value in row {data.rows[row]} where that row stands alone"
                f"{reason}, so that effects would differ in other data. Use center(x), scale(x), "
                "np.mean(x) and the like, which keep their values from the fit; or make it a "
                f"column of the data{_shadowing(expression, data)}"
            )


def _shadowing(expression: Expression, data: Materializer) -> str:
    """A note on each of the caller's functions that has the name of a formula's function."""
    names = sorted(expression.functions)
    shadowed = [n for n in names if n in FUNCTIONS and data.meaning(n) is not FUNCTIONS[n]]
    return "".join(f". '{name}' is your own function here, not the formula's" for name in shadowed)


def _is_known(expression: Expression, data: Materializer) -> bool:
    """Whether every part of the expression is known to use each row alone."""
    return (
        expression.safe
        and data.nrows not in expression.lengths  # such a list may have an entry for each row
        and all(is_row_by_row(data.meaning(name), name) for name in expression.functions)
        and all(np.ndim(data.meaning(name)) == 0 for name in expression.values)
    )


def _rows_to_try(whole: list[np.ndarray], nrows: int) -> list[int]:
    """Rows to evaluate alone: a few evenly spaced, and those with extreme values."""
    rows = np.linspace(0, nrows - 1, 7).astype(int).tolist()
    for values in whole[:3]:
        if values.dtype.kind in "biuf":
            rows += [int(np.argmin(values)), int(np.argmax(values))]
    return list(dict.fromkeys(rows))


def _columns(values: Any) -> list[np.ndarray]:
    """The columns of an expression's value, which may be an array, a frame or a dict."""
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
