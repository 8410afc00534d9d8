"""`densities`: distributions of replicates by parameter, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from numbamm.report.plots import axes as canvas

#: Number of points of a density.
FINE = 256

#: Values whose range is a smaller share of their size are one.
SAME = 1e-9


class Replicated(NamedTuple):
    """The replicates of one parameter.

    Attributes
    ----------
    name : str
    values : ndarray
    estimate : float
    lower, upper : float
        The interval.
    bounds : tuple of float
        The range that the parameter can have.
    """

    name: str
    values: np.ndarray
    estimate: float
    lower: float
    upper: float
    bounds: tuple[float, float] = (-np.inf, np.inf)


def densities(parameters: Sequence[Replicated], axes=None) -> np.ndarray:
    """Draw a histogram and a density of each parameter, its interval, and the estimate.

    Parameters
    ----------
    parameters : sequence of Replicated
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (parameters,)
    """
    columns = canvas.columns_of(len(parameters))
    axes = canvas.several(axes, len(parameters), columns=columns, panel=(2.4, 2.0))
    for k, (ax, one) in enumerate(zip(axes, parameters, strict=True)):
        values = one.values[np.isfinite(one.values)]
        if len(values) and np.ptp(values) > SAME * np.abs(values).max():
            ax.hist(values, bins=_number_of_bins(values), density=True, alpha=0.3)
            x, y = density(values, one.bounds)
            ax.plot(x, y, color=canvas.cycle(0), linewidth=1.2)
        if np.isfinite(one.estimate):  # the shape of a Poisson distribution is infinite
            ax.axvline(one.estimate, **canvas.reference(zorder=3))
        top = ax.get_ylim()[1]
        ends = np.clip([one.lower, one.upper], *ax.get_xlim())  # an infinite end is at the edge
        ax.hlines(-0.06 * top, *ends, color=canvas.cycle(1), linewidth=3)
        ax.set_ylim(-0.12 * top, top)
        ax.set_yticks([])
        canvas.label(ax, one.name, "Density" if k % columns == 0 else None)
    return axes


def _number_of_bins(values) -> int:
    """Bins of the width of Freedman & Diaconis (1981), up to as many as can be seen."""
    low, high = np.quantile(values, [0.25, 0.75])
    width = 2 * (high - low) / len(values) ** (1 / 3)
    return int(np.clip(np.ptp(values) / width, 10, 60)) if width > 0 else 30


def density(values, bounds=(-np.inf, np.inf)) -> tuple[np.ndarray, np.ndarray]:
    """A kernel density over the range of the values, reflected at the ends of `bounds`."""
    from scipy.stats import gaussian_kde

    x, kernel = np.linspace(values.min(), values.max(), FINE), gaussian_kde(values)
    y = kernel(x)
    for end in bounds:
        if np.isfinite(end):
            y = y + kernel(2 * end - x)
    return x, y
