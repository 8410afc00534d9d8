"""`quantiles`: values against the quantiles of the normal distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, ndtri

from numbamm.report.plots import axes as canvas

#: Number of points at which an envelope is computed.
FINE = 300


class Sample(NamedTuple):
    """The values of one panel.

    Attributes
    ----------
    values : ndarray, shape (n,)
    ylabel : str
    title : str or None
    half : ndarray, shape (n,), or None
        Half-widths of intervals about the values.
    standard : bool
        Whether the values should be standard normal, so that the line is the diagonal, and not
        one through their quartiles.
    """

    values: np.ndarray
    ylabel: str
    title: str | None = None
    half: np.ndarray | None = None
    standard: bool = False


def quantiles(samples: Sequence[Sample], axes=None) -> np.ndarray:
    """Draw quantile–quantile plots, with a 95 % envelope for each point alone.

    Parameters
    ----------
    samples : sequence of Sample
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (samples,)
    """
    axes = canvas.several(axes, len(samples), panel=(3.2, 2.8))
    for ax, sample in zip(axes, samples, strict=True):
        _panel(ax, sample)
    return axes


def _panel(ax, sample: Sample) -> None:
    finite = np.isfinite(sample.values)
    values = sample.values[finite]
    order, n = np.argsort(values, kind="stable"), len(values)
    x = ndtri(plotting_positions(n))
    start, slope = (0.0, 1.0) if sample.standard else line_through_quartiles(values)
    if n > 1:
        k = np.linspace(1, n, min(n, FINE))
        middle = ndtri((k - 0.5) / n)
        ends = [start + slope * ndtri(betaincinv(k, n + 1 - k, p)) for p in (0.025, 0.975)]
        ax.fill_between(middle, *ends, alpha=0.15, linewidth=0, color=canvas.cycle(0))
    if n:
        ax.axline((0.0, start), slope=slope, **canvas.reference())
    if sample.half is not None and n <= canvas.MANY_POINTS:
        half = sample.half[finite][order]
        ax.vlines(x, values[order] - half, values[order] + half, linewidth=0.6, alpha=0.6)
    canvas.points(ax, x, values[order], color=canvas.cycle(0))
    canvas.label(ax, "Normal quantile", sample.ylabel, sample.title)


def plotting_positions(n: int) -> np.ndarray:
    """Probabilities at which n ordered values stand, (i - a) / (n + 1 - 2a), as R's ``ppoints``."""
    a = 3 / 8 if n <= 10 else 1 / 2
    return (np.arange(1, n + 1) - a) / (n + 1 - 2 * a)


def line_through_quartiles(values) -> tuple[float, float]:
    """Intercept and slope of the line through the quartiles, as R's ``qqline``."""
    if not len(values):
        return 0.0, 1.0
    low, high = np.quantile(values, [0.25, 0.75])
    slope = (high - low) / (2 * ndtri(0.75))
    return float(low + high) / 2, float(slope)
