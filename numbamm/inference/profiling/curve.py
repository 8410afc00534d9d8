"""`Curve`: ζ of one parameter, and the walk along a profile that finds it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

#: Steps from the estimate to the last ζ that is asked for, and most of them.
STEPS, MOST = 8, 60

#: A step that is as many times too far as this is taken again.
TOO_FAR = 3.0

#: An end of a parameter's range counts as reached at this share of a first step from it.
AT_END = 1e-5


@dataclass
class Curve:
    """ζ of one parameter.

    Attributes
    ----------
    estimate : float
    values, zeta : ndarray
        The parameter, ascending, and ζ there.
    lower, upper : float
        The limits where |ζ| does not reach far enough: the ends of the parameter's range, or NaN
        if the profile stops before.
    """

    estimate: float
    values: np.ndarray
    zeta: np.ndarray
    lower: float
    upper: float

    @property
    def spline(self) -> CubicSpline:
        """ζ as a function of the parameter."""
        return CubicSpline(self.values, self.zeta)

    def limits(self, z: float) -> tuple[float, float]:
        """Where |ζ| first reaches z on either side, or else `lower` and `upper`.

        NaN if the estimate is undefined.
        """
        if len(self.values) < 2:
            return np.nan, np.nan
        return self._limit(-z), self._limit(z)

    def _limit(self, z: float) -> float:
        own = min(np.searchsorted(self.values, self.estimate), len(self.values) - 1)
        side = range(own, 0, -1) if z < 0 else range(own, len(self.values) - 1)
        for k in side:
            a, b = sorted((k, k + 1 if z > 0 else k - 1))
            if (self.zeta[a] - z) * (self.zeta[b] - z) <= 0:
                return self._crossing(a, b, z)
        return self.lower if z < 0 else self.upper

    def _crossing(self, a: int, b: int, z: float) -> float:
        """Where the spline is z between two values, to rounding in whatever unit."""
        low, width, spline = self.values[a], self.values[b] - self.values[a], self.spline
        return float(low + width * brentq(lambda t: spline(low + t * width) - z, 0.0, 1.0))


def walk(rise, start, own: float, step: float, bounds, reach: float, closed: bool = True) -> Curve:
    """ζ on both sides of an estimate, in steps of ζ that are about equal.

    Parameters
    ----------
    rise : callable
        How much more than the least deviance a value of the parameter costs, and where the
        others are then, from the value and where a search for that may begin; NaN ends the walk.
    start : ndarray
        Where the others are at the estimate.
    own : float
        The estimate.
    step : float
        The first step.
    bounds : tuple of float
        The parameter's range.
    reach : float
        The |ζ| at which to stop.
    closed : bool
        Whether an end at zero belongs to the range. Other ends are only approached.
    """
    sides, ends = [], []
    for sign, end in ((-1.0, bounds[0]), (1.0, bounds[1])):
        values, zetas = [], []
        v, zeta, h, x = own, 0.0, step, start
        for _ in range(MOST):
            left = abs(end - v)
            if left <= AT_END * step or abs(zeta) >= reach:
                break
            near = end if closed and end == 0.0 else v + sign * 0.5 * left
            new = v + sign * h if h < 0.7 * left else near
            risen, other = rise(new, x)
            if not np.isfinite(risen):
                break
            reached = sign * np.sqrt(max(0.0, risen))
            taken, strides = abs(new - v), abs(reached - zeta) * STEPS / reach
            h = taken * np.clip(1 / max(strides, 1e-9), 0.2, 2.0)
            if strides > TOO_FAR and taken > AT_END * step:
                continue
            v, zeta, x = new, reached, other
            values.append(v)
            zetas.append(zeta)
        sides.append((values, zetas))
        ends.append(end if abs(end - v) <= AT_END * step else np.nan)
    (low, below), (high, above) = sides
    return Curve(
        own, np.array([*low[::-1], own, *high]), np.array([*below[::-1], 0.0, *above]), *ends
    )
