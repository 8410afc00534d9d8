"""`method`: the methods for tests of Lβ with their denominator degrees of freedom, by name.

A method is a class with attributes `beta`, `vcov` (the covariance matrix of the coefficients that
it uses), `title` and `notes`, and two functions: `df(L)` gives the degrees of freedom of the t
test of each row of L, `joint(L, rhs)` the F test of all rows. L has a column for each *kept*
column of X.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from numbamm import config
from numbamm.elsewhere import names_arguments
from numbamm.errors import NumbammError, OptionError, did_you_mean, shown
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.fixed.kenward_roger import KenwardRoger, KenwardRogerObserved
from numbamm.inference.fixed.satterthwaite import Satterthwaite
from numbamm.inference.fixed.wald import Wald, WaldOfParts

#: The methods by their names. A new method is a file like `satterthwaite`, and an entry here.
METHODS: dict[str, Any] = {
    "wald": Wald,
    "satterthwaite": Satterthwaite,
    "kenward-roger": KenwardRoger,
    "kenward-roger-observed": KenwardRogerObserved,
}

#: Other names of the methods, as other packages have them.
_SPELLINGS = {
    "kr": "kenward-roger",
    "kr-observed": "kenward-roger-observed",
    "lme4": "wald",
    "asymptotic": "wald",
    "normal": "wald",
    "z": "wald",
    "none": "wald",
}


def method(model, ddf: str | None):
    """The method for tests of hypotheses, as those of `anova`, `contrast` and `emmeans`.

    Parameters
    ----------
    model : MixedModel
        A fitted model; a method is computed once per fit.
    ddf : {"wald", "satterthwaite", "kenward-roger", "kenward-roger-observed"} or None
        None is the method that the configuration has under ``ddf``; if that is ``"auto"``,
        ``"satterthwaite"`` for linear models and ``"wald"`` for generalized ones.

    Raises
    ------
    OptionError
        The name is unknown, or the method does not suit the model.
    """
    usual = mixed_model(model).default_ddf
    return _configured(model, usual) if ddf is None else _named(model, valid_name(ddf))


@names_arguments
def coefficient_method(model, ddf: str | None):
    """The method for tests and intervals of single coefficients, as those of `coef_table`.

    As `method`, but ``"auto"`` is ``"wald"`` for all models, as in published tables.
    """
    mixed_model(model)
    found = _configured(model, "wald") if ddf is None else _named(model, valid_name(ddf))
    return WaldOfParts(model) if model.has_categories else found


def valid_name(ddf) -> str:
    """The name of a method in its usual spelling.

    Raises
    ------
    OptionError
        There is no such method.
    """
    name = _spelling(ddf)
    if name not in METHODS:
        raise OptionError(
            f"unknown ddf {shown(ddf)}{did_you_mean(name, METHODS)}; there are {', '.join(METHODS)}"
        )
    return name


def _configured(model, usual: str):
    """The configured method; the usual one, with a note, if that does not suit the model."""
    name = config.get("ddf")
    if name in ("auto", usual) or not model.is_linear:  # generalized models have one method
        return _named(model, usual)
    try:
        return _named(model, name)
    except NumbammError as error:
        instead = copy(_named(model, usual))
        instead.notes = [*instead.notes, f"Not by {name}, as configured: {error}."]
        return instead


def _named(model, name: str):
    """The method of a name, which is computed once per fit."""
    estimates = model.estimates
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
    return _SPELLINGS.get(spelling, spelling)
