"""The left-hand side of the formula, evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import DataError
from numbamm.formula.checks import fractional
from numbamm.formula.columns import refuse_rows
from numbamm.formula.levels import level_codes, positions
from numbamm.formula.materializer import Materializer, is_categorical
from numbamm.formula.scan import FormulaText


@dataclass
class Response:
    """Values of the response.

    Attributes
    ----------
    y : ndarray of float64, shape (n,)
    trials : ndarray of float64, shape (n,), or None
        Number of trials behind each proportion, for ``cbind(successes, failures)``.
    success_level : object or None
        The level of a two-level response that counts as 1.
    categories : list or None
        Those of an ordered response, which `y` numbers from 0.
    """

    y: np.ndarray
    trials: np.ndarray | None = None
    success_level: Any = None
    categories: list[Any] | None = None


def evaluate_response(
    text: FormulaText,
    data: Materializer,
    two_level: bool,
    state: dict | None = None,
    levels: pd.Index | None = None,
) -> Response:
    """Evaluate the left-hand side.

    `state` is the state of its stateful transforms, and `levels` are those of a two-level
    response, if they are known from other rows.

    Raises
    ------
    DataError
        If it is not finite numbers, or, with `two_level`, not a column of two levels either.
    """
    state = {} if state is None else state
    if text.counts:
        return _proportion(text, data, state)
    values = data.values(text.response, state)
    if two_level and is_categorical(values):
        if levels is None:
            codes, levels = level_codes(values)
        else:
            codes = positions(pd.Series(values), levels)
        if len(levels) != 2:
            count = "one level" if len(levels) == 1 else f"{len(levels)} levels"
            raise DataError(
                f"the response '{text.response}' has {count}, not two: "
                + ", ".join(repr(level) for level in levels[:6])
            )
        return Response(codes.astype(float), success_level=levels[1])
    y = data.numeric(text.response, values)
    # Columns of pandas are read-only; for these, kernels would be compiled a second time.
    return Response(np.require(y, requirements=["C", "W"]))


def _proportion(text: FormulaText, data: Materializer, state: dict) -> Response:
    successes, failures = (data.numbers(expression, state) for expression in text.counts)
    negative = (successes < 0) | (failures < 0)
    refuse_rows(negative, f"'{text.response}' has a negative count", data.rows)
    refuse_rows(
        fractional(failures),
        f"the failures in '{text.response}' must be whole numbers, and are not",
        data.rows,
    )
    trials = successes + failures
    return Response(successes / np.where(trials > 0, trials, 1.0), trials=trials)
