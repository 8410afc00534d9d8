"""`stencil`: points and weights of differences that stay within the range of a covariate."""

from __future__ import annotations

import numpy as np

#: Distance of neighbouring points, in standard deviations of the covariate.
STEP = 1e-3
#: Places of the points in steps, and weights: in the middle, and at the lower end of the range.
MIDDLE = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12
LOWER = np.array([0.0, 1.0, 2.0, 3.0]), np.array([-11.0, 18.0, -9.0, 2.0]) / 6


def stencil(column, place) -> tuple[np.ndarray, np.ndarray]:
    """Points whose values, times weights, add up to a derivative at each place.

    The formula is exact for polynomials up to the fourth degree. At an end of the range of the
    covariate the points are on one side, since splines are not defined beyond it, and the formula
    is exact up to the third degree.

    Parameters
    ----------
    column : ndarray, shape (rows,)
        The covariate in the data.
    place : ndarray, shape (n,)
        Where the derivative is wanted.

    Returns
    -------
    points, weights : ndarray, shape (4, n)
    """
    step = STEP * (float(column.std()) or float(np.abs(column).max()) or 1.0)
    low, high = column.min(), column.max()
    lower = (place >= low) & (place - 2 * step < low) & (place + 3 * step <= high)
    upper = (place <= high) & (place + 2 * step > high) & (place - 3 * step >= low) & ~lower
    (middle, of_middle), (one_side, of_side) = MIDDLE, LOWER
    columns = (slice(None), None)
    steps = np.where(lower, one_side[columns], middle[columns])
    steps = np.where(upper, -one_side[columns], steps)
    weights = np.where(lower, of_side[columns], of_middle[columns])
    weights = np.where(upper, -of_side[columns], weights)
    return place + step * steps, weights / step
