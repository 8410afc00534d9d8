"""Tests of linear combinations of β, and the denominator degrees of freedom that they take.

A method is a class with the covariance matrix `vcov` of the coefficients that it uses, `df(L)`
for single rows, and `joint(L)` for all rows of L at once. L has a column for each *kept* column
of X. `method` finds it by its name, and keeps it with the estimates.
"""

from __future__ import annotations

import numpy as np

from numbamm.errors import OptionError, did_you_mean
from numbamm.options import shown

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


def method(model, ddf: str | None):
    """The method of that name for a fitted model.

    Parameters
    ----------
    model : MixedModel
    ddf : {"wald", "satterthwaite", "kenward-roger", "kenward-roger-observed"} or None
        None is ``"satterthwaite"`` for linear models and ``"wald"`` for generalized ones.

    Raises
    ------
    OptionError
        The name is unknown, or the model is not of the kind that the method is for.
    """
    from numbamm.inference.comparison.fits import of_numbamm
    from numbamm.inference.fixed.kenward_roger import KenwardRoger, KenwardRogerObserved
    from numbamm.inference.fixed.satterthwaite import Satterthwaite
    from numbamm.models.linear import LinearMixedModel

    methods = {
        "wald": Wald,
        "satterthwaite": Satterthwaite,
        "kenward-roger": KenwardRoger,
        "kenward-roger-observed": KenwardRogerObserved,
    }
    estimates, linear = of_numbamm(model).estimates, isinstance(model, LinearMixedModel)
    name = ("satterthwaite" if linear else "wald") if ddf is None else _spelling(ddf)
    if name not in methods:
        raise OptionError(
            f"unknown ddf {shown(ddf)}{did_you_mean(name, methods)}; there are {', '.join(methods)}"
        )
    if not linear and name != "wald":
        raise OptionError(
            f'ddf="{name}" is for linear models: a generalized one has Wald tests, ddf="wald"'
        )
    kept = vars(estimates).setdefault("_ddf", {})  # a new fit has new estimates
    if name not in kept:
        kept[name] = methods[name](model)
    return kept[name]


def _spelling(ddf) -> str:
    spelling = str(ddf).lower().replace("_", "-").replace(" ", "-")
    short = {"kr": "kenward-roger", "kr-observed": "kenward-roger-observed", "asymptotic": "wald"}
    return short.get(spelling, spelling)


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
