"""`part_tests`: estimates, intervals and tests of the coefficients of a model's further parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.inference.fixed.contrast import t_table

if TYPE_CHECKING:
    import pandas as pd


def part_tests(model, alpha: float) -> pd.DataFrame:
    """A row for each coefficient of another predictor than that of the mean, by its name.

    Parameters
    ----------
    model : MixedModel
        A fitted model; of one without further parts there are no rows.
    alpha : float
        One minus the coverage of the intervals.

    Returns
    -------
    pandas.DataFrame
        ``part, term, estimate, se, df, statistic, pvalue, lower, upper``, on the scale of the
        part's link, with normal distributions; NaN for parameters at the end of their range.
    """
    if model.composition is None:
        empty = t_table(np.zeros(0), np.zeros(0), np.zeros(0), alpha)
        return empty.assign(part="", term="")
    parts = model.parts
    estimate, se = parts["estimate"].to_numpy(float), parts["se"].to_numpy(float)
    table = t_table(estimate, se, np.full(len(se), np.inf), alpha)
    table.insert(0, "term", parts["term"])
    table.insert(0, "part", parts["part"])
    return table.set_axis(model.part_lines.names)
