"""`draw_caterpillars`: effects with intervals by level, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from numbamm.report.plots import axes as canvas


@dataclass(frozen=True)
class Caterpillar:
    """The effects of the levels of one factor.

    Attributes
    ----------
    name : str
        Name of the factor.
    levels : ndarray, shape (levels,)
        Their labels.
    terms : dict of str to tuple of ndarray
        For each effect the estimates and the ends of their intervals, or None for these.
    order : ndarray of int, shape (levels,)
        The levels from the bottom to the top.
    centres : dict of str to float
        Where the reference line of each effect stands; at 0, if not given.
    """

    name: str
    levels: np.ndarray
    terms: dict[str, tuple]
    order: np.ndarray
    centres: dict[str, float] = field(default_factory=dict)


def draw_caterpillars(
    groups: Sequence[Caterpillar], axes=None, *, xlabel: str = "Random effect"
) -> np.ndarray:
    """Draw a panel for each effect of each factor.

    Up to 40 levels are labelled; more are counted in the label of the axis, and the intervals of
    more than 200 make a band.

    Parameters
    ----------
    groups : sequence of Caterpillar
    axes : sequence of matplotlib Axes, optional
    xlabel : str
        What the effects are.

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)
    """
    panels = [(group, term) for group in groups for term in group.terms]
    labelled = max(
        (len(group.levels) for group in groups if len(group.levels) <= canvas.MANY_LABELS),
        default=0,
    )
    height = max(3.6, 0.16 * labelled + 0.8)
    own, counts = axes is None, [len(group.terms) for group in groups]
    axes = canvas.in_rows(axes, counts, panel=(2.8 if max(counts) < 4 else 2.2, height))
    for ax, (group, term) in zip(axes, panels, strict=True):
        _panel(ax, group, term, xlabel)
        if own and max(counts) <= 4 and term != next(iter(group.terms)):
            ax.tick_params(labelleft=False)  # the same labels as to the left
    return axes


def _panel(ax, group: Caterpillar, term: str, xlabel: str) -> None:
    estimate, lower, upper = (
        None if values is None else np.asarray(values)[group.order] for values in group.terms[term]
    )
    n = len(group.levels)
    place, many = np.arange(n), n > canvas.MANY_POINTS
    ax.axvline(group.centres.get(term, 0.0), **canvas.reference())
    if lower is not None:
        if many:  # lines would run into one another
            style = {"step": "mid", "alpha": 0.3, "linewidth": 0, "color": canvas.cycle(0)}
            ax.fill_betweenx(place, lower, upper, rasterized=True, **style)
        else:
            width = float(np.clip(60 / max(n, 1), 0.5, 1.4))
            ax.hlines(place, lower, upper, color=canvas.cycle(0), linewidth=width)
    canvas.points(ax, estimate, place, color=canvas.cycle(0), alpha=1.0)
    if n <= canvas.MANY_LABELS:
        canvas.ticks(ax.yaxis, place, group.levels[group.order])
    else:
        ax.set_yticks([])
    counted = group.name if n <= canvas.MANY_LABELS else f"{group.name} ({n:,} levels)"
    first = term == next(iter(group.terms))
    ax.set_ylim(-1, n)
    canvas.label(ax, xlabel, counted if first else None, term)
