"""`ResidualParameters`: what users see of the residuals' covariance, from φ and σ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numbamm.models.residual_side.side import ResidualSide

#: Names of parameters of the residuals, in all tables: ``rho|Residual``.
RESIDUAL = "{}|Residual"
#: Distance from a bound, as a share of the range, at which a value is the bound.
AT_BOUND = 1e-5


class ResidualParameters:
    """Standard deviations, correlations, ranges, powers and so on, with their bounds.

    Parameters
    ----------
    side : ResidualSide or None
        None has no parameters.

    Attributes
    ----------
    names : list of str
    bounds : ndarray, shape (number of names, 2)
    has_sds : bool
        Whether σ is one of the standard deviations, those of visits or strata.
    """

    def __init__(self, side: ResidualSide | None) -> None:
        self._side = side
        own = [] if side is None else list(side.parameters(side.phi, 1.0))
        self.names = [RESIDUAL.format(name) for name in own]
        self.has_sds = side is not None and side.reading.cells is not None
        bounds = {} if side is None else side.bounds
        self.bounds = np.array([bounds.get(name, (-np.inf, np.inf)) for name in own]).reshape(-1, 2)

    def values(self, phi, sigma: float) -> np.ndarray:
        """Their values, shape (number of names,)."""
        return (
            np.array([*self._side.parameters(phi, sigma).values()]) if self._side else np.zeros(0)
        )

    def are_at_bounds(self, values) -> np.ndarray:
        """Which values between two bounds are at one of them, for all that rounding tells."""
        lower, upper = self.bounds.T
        width = np.where(np.isfinite(upper - lower), upper - lower, 0.0)
        return np.minimum(values - lower, upper - values) < AT_BOUND * width

    def unbounded(self, values) -> np.ndarray:
        """Values on scales without bounds: logarithms of positive ones, logits between bounds."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.array([_unbounded(v, b) for v, b in zip(values, self.bounds, strict=True)])

    def bounded(self, values) -> np.ndarray:
        """The inverse of `unbounded`."""
        return np.array([_bounded(v, b) for v, b in zip(values, self.bounds, strict=True)])


def _unbounded(value: float, bounds) -> float:
    lower, upper = bounds
    if np.isinf(lower):
        return value
    return np.log(value - lower) if np.isinf(upper) else np.log((value - lower) / (upper - value))


def _bounded(value: float, bounds) -> float:
    lower, upper = bounds
    if np.isinf(lower):
        return value
    with np.errstate(over="ignore"):
        if np.isinf(upper):
            return lower + np.exp(value)
        return lower + (upper - lower) / (1 + np.exp(-value))
