"""Averages of scattered points: a local line, and means in bins."""

from __future__ import annotations

import numpy as np

from numbamm.report.plots.scatter import Bins

#: Number of points of a trend, and the share of the rows that each uses.
POINTS, SPAN = 60, 2 / 3

#: Smallest and largest number of bins.
FEWEST, MOST = 5, 60

#: Responses of so many values, such as 0 and 1, or grades, are averaged.
FEW = 10


def trend(x, y) -> tuple[np.ndarray, np.ndarray] | None:
    """A local line through points, with tricube weights on the nearest two thirds of them.

    Parameters
    ----------
    x, y : ndarray, shape (n,)

    Returns
    -------
    tuple of ndarray, shape (points,), or None
        x and y of the curve; None if x has fewer than four values.

    References
    ----------
    Cleveland, 1979, J. Am. Stat. Assoc. 74, 829, without robustness iterations.
    """
    values = np.unique(x)
    if len(values) < 4:
        return None
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    # Points at quantiles, so that a curve has more of them where the data are.
    at = np.unique(np.quantile(x, np.linspace(0, 1, POINTS)))
    near = max(int(SPAN * len(x)), 4)
    heights = np.empty(len(at))
    for k, middle in enumerate(at):
        first = _nearest(x, middle, near)
        u, v = x[first : first + near] - middle, y[first : first + near]
        reach = max(np.abs(u).max(), np.finfo(float).tiny) * (1 + 1e-9)
        w = (1 - (np.abs(u) / reach) ** 3) ** 3
        mean = np.average(u, weights=w)
        spread = np.average((u - mean) ** 2, weights=w)
        slope = np.average((u - mean) * v, weights=w) / spread if spread > 0 else 0.0
        heights[k] = np.average(v, weights=w) - slope * mean
    return at, heights


def _nearest(x, middle: float, near: int) -> int:
    """Where the `near` values that are nearest to the middle begin, in sorted x."""
    low, high = 0, len(x) - near
    while low < high:  # the window moves right while its left end is the farther one
        half = (low + high) // 2
        if middle - x[half] > x[half + near] - middle:
            low = half + 1
        else:
            high = half
    return low


def binned(x, y) -> Bins:
    """Means in bins of equally many points along x, and two standard errors of those of y.

    Rows of one x stay together, so that ties make fewer bins.

    References
    ----------
    Gelman & Hill, 2007, Data Analysis Using Regression and Multilevel Models, section 5.6.
    """
    number = int(np.clip(np.sqrt(len(x)), FEWEST, MOST))
    ends = np.unique(np.quantile(x, np.linspace(0, 1, number + 1)[1:-1]))
    place = np.searchsorted(ends, x)
    counts = np.bincount(place, minlength=len(ends) + 1)
    filled = counts > 0

    def mean(values):
        return np.bincount(place, values, minlength=len(counts))[filled] / counts[filled]

    middle, n = mean(y), counts[filled]
    variance = np.maximum(mean(y**2) - middle**2, 0.0) * n / np.maximum(n - 1, 1)
    return Bins(mean(x), middle, 2 * np.sqrt(variance / n))


def has_few_values(model) -> bool:
    """Whether the response has so few values that points say less than their averages."""
    values = len(np.unique(model.frame.y))
    return values <= FEW and len(model.frame.y) >= 10 * values
