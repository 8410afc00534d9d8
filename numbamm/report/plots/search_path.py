"""`search_path`: the way of an optimisation: objective and parameters by evaluation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from numbamm.report.plots import axes as canvas

#: Parameters that a legend can name.
NAMED = 8


def search_path(log: pd.DataFrame, axes=None) -> np.ndarray:
    """Draw by how much the objective exceeds its minimum, and the parameters.

    Parameters
    ----------
    log : pandas.DataFrame
        A row per evaluation: ``objective``, then a column for each parameter.
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (2,)
    """
    from matplotlib.ticker import MaxNLocator

    axes = canvas.several(axes, 2, columns=2, panel=(3.8, 3.0))
    objective = log["objective"].to_numpy(dtype=float)
    objective = np.where(np.isfinite(objective), objective, np.nan)
    number = np.arange(1, len(objective) + 1)
    excess = objective - np.nanmin(objective) if len(objective) else objective
    marker = "o" if len(number) <= 60 else None
    style = {"marker": marker, "markersize": 3, "linewidth": 1.0}
    axes[0].plot(number, np.where(excess > 0, excess, np.nan), color=canvas.cycle(0), **style)
    if (excess > 0).any():
        axes[0].set_yscale("log")
    best = number[excess == 0]
    for evaluation in best[:1]:
        axes[0].axvline(evaluation, **canvas.reference())
    parameters = log.drop(columns="objective")
    lines = [
        axes[1].plot(number, parameters[name], color=canvas.cycle(k), **style)[0]
        for k, name in enumerate(parameters)
    ]
    if 0 < len(lines) <= NAMED:
        canvas.legend(axes[1], lines, list(parameters))
    for ax, words in zip(axes, ("Objective above its minimum", "Parameter"), strict=True):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        canvas.label(ax, "Evaluation", words)
    return axes
