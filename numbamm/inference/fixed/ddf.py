"""`method`: the methods for tests of Lβ with their denominator degrees of freedom, by name.

A method is a class with attributes `beta`, `vcov` (the covariance matrix of the coefficients that
it uses), `title` and `notes`, and two functions: `df(L)` gives the degrees of freedom of the t
test of each row of L, `joint(L, rhs)` the F test of all rows. L has a column for each *kept*
column of X.
"""

from __future__ import annotations

from numbamm.errors import OptionError, did_you_mean
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.fixed.kenward_roger import KenwardRoger, KenwardRogerObserved
from numbamm.inference.fixed.satterthwaite import Satterthwaite
from numbamm.inference.fixed.wald import Wald
from numbamm.options import shown

#: The methods by their names. A new method is a file like `satterthwaite`, and an entry here.
METHODS = {
    "wald": Wald,
    "satterthwaite": Satterthwaite,
    "kenward-roger": KenwardRoger,
    "kenward-roger-observed": KenwardRogerObserved,
}


def method(model, ddf: str | None):
    """The method with a given name for a fitted model; it is computed once per fit.

    Parameters
    ----------
    model : MixedModel
    ddf : {"wald", "satterthwaite", "kenward-roger", "kenward-roger-observed"} or None
        None is ``"satterthwaite"`` for linear models and ``"wald"`` for generalized ones.

    Raises
    ------
    OptionError
        The name is unknown, or the method does not suit the model.
    """
    estimates = mixed_model(model).estimates
    name = model.default_ddf if ddf is None else _spelling(ddf)
    if name not in METHODS:
        raise OptionError(
            f"unknown ddf {shown(ddf)}{did_you_mean(name, METHODS)}; there are {', '.join(METHODS)}"
        )
    if not model.is_linear and name != "wald":
        raise OptionError(
            f'ddf="{name}" is for linear models: generalized ones have ddf="wald" alone'
        )
    cache = vars(estimates).setdefault("_ddf", {})  # a new fit has new estimates
    if name not in cache:
        cache[name] = METHODS[name](model)
    return cache[name]


def _spelling(ddf) -> str:
    """The method's name from other spellings and abbreviations."""
    spelling = str(ddf).lower().replace("_", "-").replace(" ", "-")
    short = {"kr": "kenward-roger", "kr-observed": "kenward-roger-observed", "asymptotic": "wald"}
    return short.get(spelling, spelling)
