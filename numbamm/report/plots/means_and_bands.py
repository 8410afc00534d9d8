"""`means_and_bands`: means by a variable, as points with intervals or as curves with bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from numbamm.report.plots import axes as canvas

#: From so many values of a covariate on, the means are a curve.
CURVE = 8

#: Room that the series of one value share, and that jittered points take.
SHARE, JITTER = 0.5, 0.12


@dataclass(frozen=True)
class Series:
    """The means of one series: one value of the second variable.

    Attributes
    ----------
    name : str
    x, mean, lower, upper : ndarray, shape (means,)
        Of a factor, x are the positions of its levels.
    points : tuple of ndarray, or None
        x and y of observations or partial residuals.
    """

    name: str
    x: np.ndarray
    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    points: tuple[np.ndarray, np.ndarray] | None = None


def means_and_bands(
    panels: dict[str, list[Series]],
    *,
    xlabel: str,
    ylabel: str,
    levels: Sequence | None = None,
    legend: str | None = None,
    axes=None,
) -> np.ndarray:
    """Draw the means of each panel.

    Parameters
    ----------
    panels : dict of str to list of Series
        By title; one panel may have the title ``""``.
    xlabel, ylabel : str
    levels : sequence, optional
        Labels of the levels, if x is a factor.
    legend : str, optional
        Name of the second variable, whose values the series are.
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)
    """
    usual = canvas.pyplot().rcParams["figure.figsize"]
    panel = (3.2, 2.8) if len(panels) > 1 else (usual[0], usual[1])
    own, n = axes is None, len(panels)
    axes = canvas.several(axes, n, columns=3, panel=panel, sharex=True, sharey=True)
    for ax, (title, series) in zip(axes, panels.items(), strict=True):
        handles = [_draw(ax, one, i, len(series), levels) for i, one in enumerate(series)]
        if levels is not None:
            canvas.ticks(ax.xaxis, range(len(levels)), levels)
            ax.set_xlim(-0.6, len(levels) - 0.4)
        canvas.label(ax, xlabel, ylabel if ax is axes[0] else None, title or None)
        if legend is not None and ax is axes[0]:
            names = [one.name for one in series]
            if own and len(panels) > 1:  # one legend for all, which hides nothing
                canvas.legend(ax.figure, handles, names, legend, loc="outside right upper")
            else:
                canvas.legend(ax, handles, names, legend)
    return axes


def _draw(ax, one: Series, i: int, n: int, levels):
    """One series; returns its handle for the legend."""
    color, factor = canvas.cycle(i), levels is not None
    shift = SHARE * (i - (n - 1) / 2) / n if factor else 0.0
    if one.points is not None:
        x, y = one.points
        if factor:
            x = x + shift + JITTER * spread(len(x)) / n
        alpha = float(np.clip((40 / max(len(x), 1)) ** 0.5, 0.06, 0.5))
        canvas.points(ax, x, y, color=color, zorder=1, alpha=alpha)
    outline = [] if one.points is None else canvas.outlined(ax)
    known = np.isfinite(one.mean)
    x, mean, lower, upper = (v[known] for v in (one.x + shift, one.mean, one.lower, one.upper))
    if not factor and len(one.x) >= CURVE:
        ax.fill_between(x, lower, upper, color=color, alpha=0.2, linewidth=0)
        return ax.plot(x, mean, color=color, path_effects=outline)[0]
    ax.vlines(x, lower, upper, color=color, linewidth=2.0, path_effects=outline, zorder=3)
    if n > 1 or not factor:
        ax.plot(x, mean, color=color, linewidth=0.8, alpha=0.6)
    size = canvas.pyplot().rcParams["lines.markersize"] ** 2
    return canvas.points(
        ax, x, mean, color=color, s=size, alpha=1.0, zorder=4, path_effects=outline
    )


def spread(n: int) -> np.ndarray:
    """n numbers evenly between -1 and 1 in an irregular order, the same at each call."""
    return 2 * np.modf(np.arange(1, n + 1) * (np.sqrt(5) - 1) / 2)[0] - 1
