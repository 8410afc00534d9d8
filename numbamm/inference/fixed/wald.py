"""`Wald`: tests that take estimated variances for known; and what other tests share with them."""

from __future__ import annotations

import numpy as np

#: More degrees of freedom than these are infinite, but for rounding.
INFINITE = 1e10


class Wald:
    """Normal and χ² reference distributions: no allowance for estimated variances."""

    title = "Wald"

    def __init__(self, model) -> None:
        self.beta, self.vcov = model.estimates.beta, model._cov
        self.notes: list[str] = []

    def df(self, L) -> np.ndarray:
        """Degrees of freedom of each row's t: infinite."""
        return np.full(len(L), np.inf)

    def joint(self, L, rhs) -> tuple[float, float]:
        """F statistic of Lβ = rhs, and its denominator degrees of freedom."""
        return quadratic_form(L, self.beta, self.vcov, rhs) / len(L), np.inf


def quadratic_form(L, beta, vcov, rhs=0.0) -> float:
    """(Lβ - rhs)'(L vcov L')⁻¹(Lβ - rhs)."""
    value = L @ beta - rhs
    return float(value @ np.linalg.solve(L @ vcov @ L.T, value))


def notes(model, moving, *, boundary: bool) -> list[str]:
    """Remarks on fits that are singular, or have redundant random effects.

    Parameters
    ----------
    moving : Directions
    boundary : bool
        Whether the method takes variances that are zero for known.
    """
    said = []
    if boundary and model.is_singular():
        said.append(
            "Singular fit: variances that are zero count as known, which makes the degrees of "
            'freedom large; ddf="kenward-roger" takes them for estimates.'
        )
    if moving.redundant:
        verb = "does" if moving.redundant == 1 else "do"
        said.append(
            f"Redundant random effects: {moving.redundant} of the covariance parameters {verb} not "
            "move the covariance; the degrees of freedom are for the others."
        )
    return said
