"""`Curve`: the profile of one parameter as a curve of ζ, and the walk that computes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from numbamm.shortrepr import ShortRepr

#: Number of steps that are planned from the estimate to the last ζ, and the largest number taken.
STEPS, MOST_STEPS = 8, 60

#: A step is repeated, shorter, if ζ has changed by more than this multiple of the plan.
TOO_FAR = 3.0

#: The end of a parameter's range counts as reached within this share of the first step.
AT_END = 1e-5


@dataclass(repr=False)
class Curve(ShortRepr):
    """ζ as a function of one parameter.

    Attributes
    ----------
    estimate : float
    values, zeta : ndarray
        Values of the parameter in increasing order, and ζ at each.
    lower, upper : float
        Limits of intervals for which |ζ| is not large enough: the ends of the parameter's range,
        or NaN if the profile stops before them.
    others : ndarray, shape (values, parameters), or None
        All parameters where they are optimal, given each value of this one.
    """

    estimate: float
    values: np.ndarray
    zeta: np.ndarray
    lower: float
    upper: float
    others: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.estimate, self.lower, self.upper = map(float, (self.estimate, self.lower, self.upper))

    @property
    def spline(self) -> CubicSpline:
        """ζ as a function of the parameter."""
        return CubicSpline(self.values, self.zeta)

    def limits(self, z: float) -> tuple[float, float]:
        """The values on both sides of the estimate where |ζ| first reaches z.

        `lower` or `upper` if it does not reach z; NaN if the estimate is undefined.
        """
        if len(self.values) < 2:
            return np.nan, np.nan
        return self._limit(-z), self._limit(z)

    def _limit(self, z: float) -> float:
        """The limit on the side of the sign of z."""
        middle = min(np.searchsorted(self.values, self.estimate), len(self.values) - 1)
        side = range(middle, 0, -1) if z < 0 else range(middle, len(self.values) - 1)
        for k in side:
            a, b = sorted((k, k + 1 if z > 0 else k - 1))
            if (self.zeta[a] - z) * (self.zeta[b] - z) <= 0:
                return self._crossing(a, b, z)
        return self.lower if z < 0 else self.upper

    def _crossing(self, a: int, b: int, z: float) -> float:
        """The point between two values where the spline is z, precise for any unit."""
        low, width, spline = self.values[a], self.values[b] - self.values[a], self.spline
        return float(low + width * brentq(lambda t: spline(low + t * width) - z, 0.0, 1.0))


def walk(
    rise, start, estimate: float, step: float, bounds, reach: float, closed=True, others=None
) -> Curve:
    """Compute ζ on both sides of an estimate, in about equal steps of ζ.

    Parameters
    ----------
    rise : callable
        Takes a value of the parameter, and the point where to begin the search for the other
        parameters. Returns by how much the deviance exceeds its minimum at that value, and the
        point where the search ended. NaN ends the walk.
    start : ndarray
        The point of the search at the estimate.
    estimate : float
    step : float
        The first step of the parameter.
    bounds : tuple of float
        The parameter's range.
    reach : float
        The |ζ| at which to stop.
    closed : bool
        Whether an end of the range at zero belongs to it. Other ends are only approached.
    others : callable, optional
        Takes the points where searches ended, and returns all parameters there, a row for each.
    """
    sides, ends = [], []
    for sign, end in ((-1.0, bounds[0]), (1.0, bounds[1])):
        values, zetas, points = [], [], []
        v, zeta, h, x = estimate, 0.0, step, start
        for _ in range(MOST_STEPS):
            distance = abs(end - v)
            if distance <= AT_END * step or abs(zeta) >= reach:
                break
            near_end = end if closed and end == 0.0 else v + sign * 0.5 * distance
            new_v = v + sign * h if h < 0.7 * distance else near_end
            excess, new_x = rise(new_v, x)
            if not np.isfinite(excess):
                break
            new_zeta = sign * np.sqrt(max(0.0, excess))
            taken, planned_steps = abs(new_v - v), abs(new_zeta - zeta) * STEPS / reach
            h = taken * np.clip(1 / max(planned_steps, 1e-9), 0.2, 2.0)
            if planned_steps > TOO_FAR and taken > AT_END * step:
                continue
            v, zeta, x = new_v, new_zeta, new_x
            values.append(v)
            zetas.append(zeta)
            points.append(x)
        sides.append((values, zetas, points))
        ends.append(end if abs(end - v) <= AT_END * step else np.nan)
    (low, below, before), (high, above, after) = sides
    lower, upper = ends
    return Curve(
        estimate,
        np.array([*low[::-1], estimate, *high]),
        np.array([*below[::-1], 0.0, *above]),
        lower,
        upper,
        others([*before[::-1], start, *after]) if others else None,
    )
