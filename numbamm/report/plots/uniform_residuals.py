"""`uniform_residuals`: residuals between 0 and 1, ordered, and against a predictor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv

from numbamm.report.plots import axes as canvas

#: Quantiles whose lines are drawn, and the number of points of each.
LINES, POINTS = (0.25, 0.5, 0.75), 25
#: The share of the rows that a point of a line uses.
SPAN = 0.3


def uniform_residuals(place, predictor, xlabel: str, tests: Sequence, axes=None) -> np.ndarray:
    """Draw residuals against uniform quantiles, and against a predictor with quantile lines.

    Parameters
    ----------
    place : ndarray, shape (n,)
        Residuals between 0 and 1.
    predictor : ndarray, shape (n,)
        Between 0 and 1.
    xlabel : str
        What the predictor is.
    tests : sequence of ResidualTest
        Their p-values are written into the first panel.
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (2,)
    """
    axes = canvas.several(axes, 2, panel=(3.6, 3.2))
    _ordered(axes[0], place, tests)
    _against(axes[1], place, predictor, xlabel)
    return axes


def _ordered(ax, place, tests) -> None:
    n = len(place)
    k = np.linspace(1, n, min(n, 300))
    ends = [betaincinv(k, n + 1 - k, p) for p in (0.025, 0.975)]
    ax.fill_between((k - 0.5) / n, *ends, alpha=0.15, linewidth=0, color=canvas.cycle(0))
    ax.axline((0.0, 0.0), slope=1.0, **canvas.reference())
    canvas.points(ax, (np.arange(n) + 0.5) / n, np.sort(place), color=canvas.cycle(0))
    text = "\n".join(f"{test.name}: p = {test.pvalue:.2g}" for test in tests)
    ax.text(0.04, 0.96, text, transform=ax.transAxes, va="top", fontsize="small")
    canvas.label(ax, "Uniform quantiles", "Residual", None)


def _against(ax, place, predictor, xlabel: str) -> None:
    canvas.points(ax, predictor, place, color=canvas.cycle(0))
    at, lines = running_quantiles(predictor, place)
    for level, line in zip(LINES, lines, strict=True):
        ax.axhline(level, **canvas.reference())
        ax.plot(at, line, color=canvas.cycle(1))
    ax.set_ylim(-0.02, 1.02)
    canvas.label(ax, xlabel, "Residual", None)


def running_quantiles(x, y) -> tuple[np.ndarray, np.ndarray]:
    """Quartiles of y in windows of x that hold a third of the points.

    Returns
    -------
    at : ndarray, shape (points,)
    lines : ndarray, shape (3, points)
    """
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    width = max(int(SPAN * len(x)), min(len(x), 10))
    first = np.unique(np.linspace(0, len(x) - width, POINTS).astype(int))
    at = np.array([x[a : a + width].mean() for a in first])
    lines = np.array([np.quantile(y[a : a + width], LINES) for a in first]).T
    return at, lines
