"""`deletions`: Cook's distances of levels, and how the coefficients change without each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from numbamm.report.content import shown_name
from numbamm.report.plots import axes as canvas


def deletions(cooks: pd.Series, dfbetas: pd.DataFrame, axes=None) -> np.ndarray:
    """Draw Cook's distances, sorted, and the changes of each coefficient in the same order.

    Parameters
    ----------
    cooks : pandas.Series
        By level; its index is named after the factor.
    dfbetas : pandas.DataFrame
        A row per level, a column per coefficient, in standard errors.
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (1 + coefficients,)
    """
    order = np.argsort(cooks.fillna(-1.0).to_numpy(), kind="stable")
    levels, n = cooks.index[order], len(cooks)
    columns = {"Cook's distance": cooks, **{name: dfbetas[name] for name in dfbetas}}
    labelled = n <= canvas.MANY_LABELS
    height = max(3.6, 0.16 * n + 0.8) if labelled else 4.0
    rows = -(-len(columns) // 4)
    side_by_side, panel = -(-len(columns) // rows), (2.2, height)
    axes = canvas.several(axes, len(columns), columns=side_by_side, panel=panel, sharey=True)
    for k, (ax, (name, values)) in enumerate(zip(axes, columns.items(), strict=True)):
        values, place = values.to_numpy(dtype=float)[order], np.arange(n)
        ax.axvline(0.0, **canvas.reference())
        if n <= canvas.MANY_POINTS:
            ax.hlines(place, 0.0, values, color=canvas.cycle(0), linewidth=1.0, alpha=0.6)
        canvas.points(ax, values, place, color=canvas.cycle(0))
        if labelled:
            canvas.ticks(ax.yaxis, place, levels)
        else:
            ax.set_yticks([])
        ax.set_ylim(-1, n)
        group = str(cooks.index.name)
        counted = group if labelled else f"{group} ({n:,} levels)"
        canvas.label(ax, name if k == 0 else "DFBETAS", counted if k == 0 else None)
        if k:
            canvas.label(ax, title=shown_name(str(name)))
    return axes
