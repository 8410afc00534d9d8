"""`scatter`: points or averages of points about a level, with a trend."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from numbamm.report.plots import axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Bins(NamedTuple):
    """Averages of points in bins along x.

    Attributes
    ----------
    x, y : ndarray, shape (bins,)
        Means of both coordinates.
    half : ndarray, shape (bins,)
        Two standard errors of the means of y.
    """

    x: np.ndarray
    y: np.ndarray
    half: np.ndarray


def scatter(
    x, y, *, xlabel: str, ylabel: str, level: float | None = None, trend=None, bins=None, ax=None
) -> Axes:
    """Draw points or, if there are `bins`, their averages with two standard errors about `level`.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    xlabel, ylabel : str
    level : float, optional
        Height of a horizontal line.
    trend : tuple of ndarray, optional
        x and y of a curve.
    bins : Bins, optional
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = axes.one(ax)
    if level is not None:
        ax.axhline(level, **axes.reference())
    if bins is None:
        axes.points(ax, x, y, color=axes.cycle(0))
    else:
        middle = 0.0 if level is None else level
        band = (middle - bins.half, middle + bins.half)
        ax.fill_between(bins.x, *band, alpha=0.15, linewidth=0, color=axes.cycle(0))
        axes.points(ax, bins.x, bins.y, color=axes.cycle(0), s=None, alpha=0.8)
    if trend is not None:
        ax.plot(*trend, color=axes.cycle(1))
    axes.label(ax, xlabel, ylabel)
    return ax
