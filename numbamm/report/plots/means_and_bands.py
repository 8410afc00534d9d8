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

#: Where means and bands would have less than this share of the height, outlying points are drawn
#: at the edge, if that leaves no more than the second share of the range of all.
LEAST, LEFT = 0.3, 0.7

#: Points are outlying beyond this quantile on either side if they are also farther from the
#: quartiles than this multiple of the distance between them: Tukey's outer fences.
BEYOND, FENCE = 0.02, 3.0


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

    Points so far off that they would squeeze means and bands are triangles at the edge.

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
    limits = _limits([one for series in panels.values() for one in series])
    together = own and n > 1  # one label for all panels, and one legend, which hides nothing
    if together:
        figure = axes[0].figure
        for setter, text in ((figure.supxlabel, xlabel), (figure.supylabel, ylabel)):
            setter(canvas.plain(text), parse_math=False, fontsize="medium")
    for ax, (title, series) in zip(axes, panels.items(), strict=True):
        handles = [_draw(ax, one, i, len(series), levels, limits) for i, one in enumerate(series)]
        if levels is not None:
            canvas.ticks(ax.xaxis, range(len(levels)), levels)
            ax.set_xlim(-0.6, len(levels) - 0.4)
        if limits is not None:
            margin = 0.05 * (limits[1] - limits[0])
            ax.set_ylim(limits[0] - margin, limits[1] + margin)
        if together:
            canvas.label(ax, title=title)
        else:
            canvas.label(ax, xlabel, ylabel if ax is axes[0] else None, title or None)
        if legend is not None and ax is axes[0]:
            names = [one.name for one in series]
            if together:
                canvas.legend(ax.figure, handles, names, legend, loc="outside right upper")
            else:
                canvas.legend(ax, handles, names, legend)
    return axes


def _limits(series: Sequence[Series]) -> tuple[float, float] | None:
    """The range of means, bands and most points; None where that of all leaves them room enough."""
    points = [one.points[1] for one in series if one.points is not None]
    y = np.concatenate([*points, np.empty(0)])
    y = y[np.isfinite(y)]
    ends = np.concatenate([values for one in series for values in (one.mean, one.lower, one.upper)])
    ends = ends[np.isfinite(ends)]
    if not len(y) or not len(ends):
        return None
    low, high = min(ends.min(), y.min()), max(ends.max(), y.max())
    if np.ptp(ends) >= LEAST * (high - low):
        return None
    first, q1, q3, last = np.quantile(y, [BEYOND, 0.25, 0.75, 1 - BEYOND])
    far = FENCE * (q3 - q1)
    usual = y[(y >= min(first, q1 - far)) & (y <= max(last, q3 + far))]
    kept = min(ends.min(), usual.min()), max(ends.max(), usual.max())
    return kept if kept[1] - kept[0] < LEFT * (high - low) else None


def _draw(ax, one: Series, i: int, n: int, levels, limits: tuple[float, float] | None):
    """One series; returns its handle for the legend."""
    color, factor = canvas.cycle(i), levels is not None
    shift = SHARE * (i - (n - 1) / 2) / n if factor else 0.0
    if one.points is not None:
        x, y = one.points
        if factor:
            x = x + shift + JITTER * spread(len(x)) / n
        alpha = float(np.clip((40 / max(len(x), 1)) ** 0.5, 0.06, 0.5))
        low, high = limits or (-np.inf, np.inf)
        inside = (y >= low) & (y <= high)
        canvas.points(ax, x[inside], y[inside], color=color, zorder=1, alpha=alpha)
        for edge, marker, beyond in ((high, "^", y > high), (low, "v", y < low)):
            if beyond.any():
                where = np.full(beyond.sum(), edge)
                style = {"s": None, "alpha": 0.7, "linewidths": 0, "zorder": 1}
                canvas.points(ax, x[beyond], where, color=color, marker=marker, **style)
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
