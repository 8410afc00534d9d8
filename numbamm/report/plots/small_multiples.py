"""`small_multiples`: observed and fitted values, a panel for each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from numbamm.report.plots import axes as canvas


@dataclass(frozen=True)
class Group:
    """What the panel of one group shows.

    Attributes
    ----------
    label : str
    x, y : ndarray, shape (rows,)
        Observations.
    fit : tuple of ndarray
        x in increasing order, the means with the group's random effects, and those without any.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    fit: tuple[np.ndarray, np.ndarray, np.ndarray]


def small_multiples(
    shown: Sequence[Group], *, xlabel: str, ylabel: str, group: str, levels=None, axes=None
) -> np.ndarray:
    """Draw observations as points, the fit of the group as a line, that without it dashed.

    Parameters
    ----------
    shown : sequence of Group
    xlabel, ylabel : str
    group : str
        Name of the grouping factor.
    levels : sequence, optional
        Labels at the positions 0, 1, ... of x, if this is a factor.
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (groups,)
    """
    own = axes is None
    n = len(shown)
    columns = n if n < 5 else min((6, 5, 4), key=lambda c: -n % c)  # few panels left empty
    axes = canvas.several(axes, n, columns=columns, panel=(1.5, 1.4), sharex=True, sharey=True)
    for ax, one in zip(axes, shown, strict=True):
        canvas.points(ax, one.x, one.y, color=canvas.cycle(0))
        x, conditional, population = one.fit
        alone = "_" if len(x) == 1 else None
        ax.plot(x, conditional, color=canvas.cycle(0), linewidth=1.2, marker=alone)
        ax.plot(x, population, color=canvas.cycle(1), linewidth=1.0, linestyle="--", marker=alone)
        if levels is not None:
            canvas.ticks(ax.xaxis, range(len(levels)), levels)
        ax.set_title(canvas.plain(one.label), parse_math=False, fontsize="small", pad=2)
    if own:
        figure = axes[0].figure
        figure.supxlabel(canvas.plain(xlabel), parse_math=False, fontsize="medium")
        figure.supylabel(canvas.plain(ylabel), parse_math=False, fontsize="medium")
        canvas.legend_above(figure, axes[0].get_lines(), [f"fit by {group}", "population"])
    else:
        for ax in axes:
            canvas.label(ax, xlabel, ylabel)
    return axes
