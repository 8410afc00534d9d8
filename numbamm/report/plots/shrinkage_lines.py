"""`shrinkage_lines`: estimates without shrinkage, and where the model moves them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numbamm.report.plots import axes as canvas
from numbamm.report.plots.ellipses import lower_triangle, outer_labels_only, triangle

#: What the ends of the lines are.
NAMED = "without shrinkage", "conditional mode"


def shrinkage_lines(
    names: Sequence[str], free, modes, levels, *, group: str, axes=None
) -> np.ndarray:
    """Draw lines from the estimates without shrinkage to the conditional modes.

    A pair of effects has a panel; the levels of a single effect stand one below the other.

    Parameters
    ----------
    names : sequence of str
        Names of the p effects.
    free, modes : ndarray, shape (levels, p)
        Estimates without shrinkage, and conditional modes.
    levels : ndarray, shape (levels,)
        Labels of the levels.
    group : str
        Name of the factor.
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes
    """
    if len(names) == 1:
        n = len(levels)
        height = max(3.6, 0.16 * n + 0.8) if n <= canvas.MANY_LABELS else 4.0
        own, axes = axes is None, canvas.several(axes, 1, panel=(5.0, height))
        ends = free[:, 0], modes[:, 0]
        _legend(axes, _one_below_the_other(axes[0], names[0], *ends, levels, group), own)
        return axes
    own, axes = axes is None, triangle(axes, len(names))
    for ax, (row, column) in zip(axes, lower_triangle(len(names)), strict=True):
        ax.axhline(0.0, **canvas.reference())
        ax.axvline(0.0, **canvas.reference())
        handles = _moves(ax, free[:, [column, row]], modes[:, [column, row]])
        canvas.label(ax, names[column], names[row])
    canvas.label(axes[0], title=group)
    if own:
        outer_labels_only(axes, len(names))
    _legend(axes, handles, own)
    return axes


def _moves(ax, free, modes) -> tuple:
    """Lines between pairs of points, and the points; returns handles for a legend."""
    from matplotlib.collections import LineCollection

    n = len(free)
    lines = np.stack([free, modes], axis=1)
    width = float(np.clip(60 / max(n, 1), 0.3, 1.0))
    ax.add_collection(
        LineCollection(
            list(lines),
            colors=canvas.pyplot().rcParams["text.color"],
            linewidths=width,
            alpha=float(np.clip((100 / max(n, 1)) ** 0.5, 0.1, 0.5)),
            rasterized=n > canvas.RASTERIZED,
            zorder=1,
        )
    )
    before = canvas.points(ax, *free.T, color=canvas.cycle(1))
    after = canvas.points(ax, *modes.T, color=canvas.cycle(0))
    ax.autoscale_view()
    return before, after


def _one_below_the_other(ax, name: str, free, modes, levels, group: str) -> tuple:
    """The levels from the bottom to the top by their estimates without shrinkage."""
    order, n = np.argsort(free, kind="stable"), len(levels)
    place = np.arange(n)
    ax.axvline(0.0, **canvas.reference())
    ends = [np.column_stack([values[order], place]) for values in (free, modes)]
    handles = _moves(ax, *ends)
    if n <= canvas.MANY_LABELS:
        canvas.ticks(ax.yaxis, place, levels[order])
    else:
        ax.set_yticks([])
    ax.set_ylim(-1, n)
    counted = group if n <= canvas.MANY_LABELS else f"{group} ({n:,} levels)"
    canvas.label(ax, name, counted)
    return handles


def _legend(axes, handles, own: bool) -> None:
    """A legend above the panels of a new figure, or in the first of the user's."""
    if own:
        canvas.legend_above(axes[0].figure, handles, NAMED)
    else:
        canvas.legend(axes[0], handles, NAMED)
