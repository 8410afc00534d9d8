"""`Parameters`: what one kind of fit of a generalized model searches over, in one vector."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

LOG_SHAPE, LOG_DISPERSION = "log(shape)", "log(dispersion)"


class Values(NamedTuple):
    """The parts of a vector of parameters, in scaled coordinates.

    Attributes
    ----------
    beta : ndarray
        Coefficients: β or, in scaled coordinates, γ; none where they vary with the mode.
    shape : float or tuple of float
        Shape of the negative binomial; 0 for other families. Of a model of several parts, ψ.
    phi : float or None
        Dispersion; None where the best one is taken at each mode.
    theta : ndarray
    """

    beta: np.ndarray
    shape: Any
    phi: float | None
    theta: np.ndarray


def _within(value: float, least: float, most: float) -> float:
    """The nearest number between these; NaN stays what it is."""
    return min(max(value, least), most)


@dataclass(frozen=True)
class Parameters:
    """β, the logarithm of the shape or the dispersion, and θ, as far as they are searched for.

    Attributes
    ----------
    fast : bool
        Whether these are of a fast fit.
    beta : list of str
        Names of the coefficients; none in a fast fit, where PIRLS varies them.
    nuisance : str or None
        `LOG_SHAPE`, `LOG_DISPERSION`, or nothing.
    theta : list of str
        Names of θ.
    shape : float
        The shape, if it is given, or is infinite.
    dispersed : bool
        Whether there is a φ.
    shape_range : tuple of float
        Between these the shape stays while it is searched for. If the objective is no higher at an
        infinite one, of a family that has such a limit, that is the estimate.
    psi : tuple of str, optional
        Names of the coefficients ψ of other parts than the mean's, of a model of several parts.
    """

    fast: bool
    beta: list[str]
    nuisance: str | None
    theta: list[str]
    shape: float
    dispersed: bool
    shape_range: tuple[float, float]
    psi: tuple[str, ...] | None = None

    @property
    def names(self) -> list[str]:
        """Names of all, in their order."""
        return [*self.beta, *self.between, *self.theta]

    @property
    def between(self) -> list[str]:
        """Names of those between β and θ."""
        if self.psi is not None:
            return list(self.psi)
        return [self.nuisance] if self.nuisance else []

    def coordinates(self, at: Values) -> np.ndarray:
        """What stands between β and θ in a vector of these values."""
        if self.psi is not None:
            return np.array(at.shape)
        known = {LOG_SHAPE: [at.shape], LOG_DISPERSION: [at.phi]}.get(self.nuisance, [])
        return np.log(known)

    def split(self, x) -> Values:
        """The parts of a vector."""
        rank = len(self.beta)
        shape, phi = self.shape, None if self.dispersed else 1.0
        if self.psi is not None:
            shape = tuple(x[rank : rank + len(self.psi)].tolist())
        if self.nuisance == LOG_SHAPE:
            shape = _within(math.exp(_within(x[rank], -99.0, 99.0)), *self.shape_range)
        elif self.nuisance == LOG_DISPERSION:
            phi = math.exp(_within(x[rank], -700.0, 700.0))
        return Values(x[:rank], shape, phi, x[len(x) - len(self.theta) :])

    def changed(self, x, beta, theta, psi=None) -> np.ndarray:
        """The vector with its coefficients β, θ and ψ put through functions."""
        rank, at = len(self.beta), len(x) - len(self.theta)
        head = beta(x[:rank]) if rank else x[:0]
        between = x[rank:at] if psi is None else psi(x[rank:at])
        return np.concatenate([head, between, theta(x[at:])])
