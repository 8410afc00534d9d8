"""`forest`: estimates with intervals by name, of one or several series, about a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from numbamm.report.plots import axes as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Room between names that the series of one name share.
SHARE = 0.6


def forest(
    names: Sequence[str],
    series: dict[str, tuple],
    *,
    xlabel: str,
    ylabel: str | None = None,
    reference: float | None = 0.0,
    log: bool = False,
    ax=None,
) -> Axes:
    """Draw estimates and their intervals, the first name at the top.

    Parameters
    ----------
    names : sequence of str
    series : dict of str to tuple of ndarray
        For each series estimates, lower and upper ends, in the order of the names; NaN for none.
    xlabel : str
    ylabel : str, optional
    reference : float, optional
        Where a vertical line stands.
    log : bool
        Whether the axis is logarithmic, as for ratios.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    size = canvas.pyplot().rcParams["figure.figsize"]
    height = min(0.8 + len(names) * (0.22 + 0.1 * len(series)), 12.0)
    ax = canvas.one(ax, (size[0], max(height, 0.5 * size[1])))
    if reference is not None:
        ax.axvline(reference, **canvas.reference())
    shifts = -SHARE * (np.arange(len(series)) - (len(series) - 1) / 2) / max(len(series), 1)
    handles = []
    for i, (estimate, lower, upper) in enumerate(series.values()):
        place, known = len(names) - 1 - np.arange(len(names)) + shifts[i], np.isfinite(estimate)
        lower, upper = np.asarray(lower), np.asarray(upper)
        some = known & ~np.isnan(lower) & ~np.isnan(upper)
        ends = place[some], lower[some], upper[some]
        ax.hlines(*ends, color=canvas.cycle(i), linewidth=1.4)
        handles.append(
            canvas.points(ax, np.asarray(estimate)[known], place[known], color=canvas.cycle(i))
        )
        handles[-1].set(alpha=1.0, sizes=[canvas.pyplot().rcParams["lines.markersize"] ** 2 * 0.6])
    if log:
        ax.set_xscale("log")
        canvas.logarithmic(ax.xaxis)
    canvas.ticks(ax.yaxis, range(len(names)), list(names)[::-1])
    ax.set_ylim(-0.6, len(names) - 0.4)
    canvas.label(ax, xlabel, ylabel)
    if len(series) > 1:
        canvas.legend(ax, handles, list(series))
    return ax
