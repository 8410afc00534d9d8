"""`Wald`: tests that take the estimated variances as known; and functions for all methods."""

from __future__ import annotations

import numpy as np

from numbamm.inference.fixed import response_covariance
from numbamm.inference.fixed.response_covariance import Directions

#: Degrees of freedom above this are infinite except for rounding errors.
INFINITE = 1e10


class Wald:
    """Tests by normal and χ² distributions, which ignore that variances are estimated."""

    title = "Wald"

    def __init__(self, model) -> None:
        self.beta, self.vcov = model.estimates.beta, model.beta_covariance
        self.notes: list[str] = []

    def df(self, L) -> np.ndarray:
        """Degrees of freedom of each row's t: infinite."""
        return np.full(len(L), np.inf)

    def joint(self, L, rhs) -> tuple[float, float]:
        """F statistic of Lβ = rhs, and its denominator degrees of freedom."""
        return quadratic_form(L, self.beta, self.vcov, rhs) / len(L), np.inf


class WaldOfParts(Wald):
    """Tests of the coefficients of all parts of a model: thresholds, location, scale."""

    def __init__(self, model) -> None:
        self.beta, self.vcov = model.coefficients, model.coefficient_covariance
        self.notes = []


def quadratic_form(L, beta, vcov, rhs=0.0) -> float:
    """(Lβ - rhs)'(L vcov L')⁻¹(Lβ - rhs)."""
    value = L @ beta - rhs
    return float(value @ np.linalg.solve(L @ vcov @ L.T, value))


def directions_of(model) -> Directions:
    """The derivatives of the response's covariance in a linear model, and products with them.

    Raises
    ------
    DataError
        A group of connected levels is too large for dense matrices of its order.
    """
    if model.residual_side is None:
        return response_covariance.directions_of(model)
    from numbamm.inference.fixed.residual_directions import residual_directions

    known = vars(model.estimates)  # all methods of a fit share them
    if "_directions" not in known:
        known["_directions"] = residual_directions(model)
    return known["_directions"]


def notes(model, directions, *, boundary: bool) -> list[str]:
    """Notes on singular fits and on redundant random effects.

    Parameters
    ----------
    directions : Directions
    boundary : bool
        Whether the method takes variances of zero as known.
    """
    notes = []
    if boundary and model.is_singular():
        notes.append(
            "Singular fit: variances of zero count as known, which makes the degrees of freedom "
            'large; ddf="kenward-roger" takes them as estimated.'
        )
        notes += [f"At its bound, and taken as known: {words}." for words in model.at_bounds]
    if directions.known:
        notes.append(f"At its bound, and taken as known: {', '.join(directions.known)}.")
    if directions.redundant:
        verb = "has" if directions.redundant == 1 else "have"
        what = "random effects" if model.residual_side is None else "terms"
        notes.append(
            f"Redundant {what}: {directions.redundant} of the covariance parameters {verb} "
            "no effect on the covariance; the degrees of freedom are for the others."
        )
    return notes
