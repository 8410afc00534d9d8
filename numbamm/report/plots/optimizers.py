"""`optimizers`: where the optimisers of a comparison ended, and what it took."""

from __future__ import annotations

import numpy as np
import pandas as pd

from numbamm.report.plots import axes as canvas

#: Objectives that are nearer to the best than this stand at this distance.
LEAST = 1e-9


def optimizers(table: pd.DataFrame, *, tolerance: float, axes=None) -> np.ndarray:
    """Draw by how much each objective exceeds the best one, and the evaluations.

    Parameters
    ----------
    table : pandas.DataFrame
        ``optimizer, excess, evaluations``, the best first.
    tolerance : float
        The excess with which optimisers agree; a line stands there.
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (2,)
    """
    n = len(table)
    axes = canvas.several(axes, 2, columns=2, panel=(3.6, max(2.6, 0.2 * n + 0.8)), sharey=True)
    place = n - 1 - np.arange(n)
    excess = table["excess"].to_numpy(dtype=float)
    agree = excess <= tolerance
    axes[0].axvline(tolerance, **canvas.reference())
    for k, chosen in enumerate((agree, ~agree & np.isfinite(excess))):
        color = canvas.cycle(k)
        canvas.points(axes[0], np.maximum(excess[chosen], LEAST), place[chosen], color=color)
        canvas.points(axes[1], table["evaluations"][chosen], place[chosen], color=color)
    failed = ~np.isfinite(excess)
    for ax in axes:
        ax.set_xscale("log")
        ax.set_ylim(-0.7, n - 0.3)
        for where in place[failed]:
            ax.annotate(
                "failed", (0.02, where), xycoords=("axes fraction", "data"), va="center",
                fontsize="small",
            )  # fmt: skip
    shared = axes[0].get_shared_y_axes().joined(axes[0], axes[1])
    for ax in axes[:1] if shared else axes:  # axes of the user may have axes of their own
        canvas.ticks(ax.yaxis, place, table["optimizer"])
    canvas.label(axes[0], "Objective above the best")
    canvas.label(axes[1], "Evaluations")
    return axes
