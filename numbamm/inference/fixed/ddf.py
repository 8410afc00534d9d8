"""Tests of linear combinations of β, and the denominator degrees of freedom that they take.

A method is a class with the covariance matrix `vcov` of the coefficients that it uses, `df(L)`
for single rows, and `joint(L)` for all rows of L at once. L has a column for each *kept* column
of X. `method` finds it by its name, and keeps it with the estimates.
"""

from __future__ import annotations

from numbamm.errors import OptionError, did_you_mean
from numbamm.inference.comparison.fits import of_numbamm
from numbamm.inference.fixed.kenward_roger import KenwardRoger, KenwardRogerObserved
from numbamm.inference.fixed.satterthwaite import Satterthwaite
from numbamm.inference.fixed.wald import Wald
from numbamm.models.linear import LinearMixedModel
from numbamm.options import shown

#: The methods by their names. A method is one more file like `satterthwaite`, and a line here.
METHODS = {
    "wald": Wald,
    "satterthwaite": Satterthwaite,
    "kenward-roger": KenwardRoger,
    "kenward-roger-observed": KenwardRogerObserved,
}


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
    estimates, linear = of_numbamm(model).estimates, isinstance(model, LinearMixedModel)
    name = ("satterthwaite" if linear else "wald") if ddf is None else _spelling(ddf)
    if name not in METHODS:
        raise OptionError(
            f"unknown ddf {shown(ddf)}{did_you_mean(name, METHODS)}; there are {', '.join(METHODS)}"
        )
    if not linear and name != "wald":
        raise OptionError(
            f'ddf="{name}" is for linear models: a generalized one has Wald tests, ddf="wald"'
        )
    kept = vars(estimates).setdefault("_ddf", {})  # a new fit has new estimates
    if name not in kept:
        kept[name] = METHODS[name](model)
    return kept[name]


def _spelling(ddf) -> str:
    spelling = str(ddf).lower().replace("_", "-").replace(" ", "-")
    short = {"kr": "kenward-roger", "kr-observed": "kenward-roger-observed", "asymptotic": "wald"}
    return short.get(spelling, spelling)
