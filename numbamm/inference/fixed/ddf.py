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

#: Covariances of β by clusters.
ROBUST = ("CR0", "CR1", "CR2")
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


def method(model, ddf: str | None, robust: str | None = None, cluster: Any = None):
    """The method for tests of hypotheses, as those of `anova`, `contrast` and `emmeans`.

    Parameters
    ----------
    model : MixedModel
        A fitted model; a method is computed once per fit.
    ddf : {"wald", "satterthwaite", "kenward-roger", "kenward-roger-observed"} or None
        None is the method that the configuration has under ``ddf``; if that is ``"auto"``,
        ``"satterthwaite"`` for linear models and ``"wald"`` for generalized ones.
    robust, cluster
        As for `robust_method`, which takes the place of `ddf`.

    Raises
    ------
    OptionError
        The name is unknown, or the method does not suit the model.
    """
    usual = mixed_model(model).default_ddf
    if robust is not None or cluster is not None:
        return robust_method(model, robust, cluster, ddf)
    return _configured(model, usual) if ddf is None else _named(model, valid_name(ddf))


@names_arguments
def coefficient_method(model, ddf: str | None, robust: str | None = None, cluster: Any = None):
    """The method for tests and intervals of single coefficients, as those of `coef_table`.

    As `method`, but ``"auto"`` is ``"wald"`` for all models, as in published tables.
    """
    mixed_model(model)
    if robust is not None or cluster is not None:
        found = robust_method(model, robust, cluster, ddf)
        return found.of_parts(model) if model.has_categories else found
    found = _configured(model, "wald") if ddf is None else _named(model, valid_name(ddf))
    return WaldOfParts(model) if model.has_categories else found


def robust_method(model, robust: str | None, cluster: Any, ddf: str | None = None):
    """The method with a covariance of β by clusters.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    robust : {"CR0", "CR1", "CR2"}
        Which covariance; generalized models have CR0 alone.
    cluster : str, array or None
        See `Clusters.of`.
    ddf : None
        Robust covariances have degrees of freedom of their own.

    Raises
    ------
    OptionError
        An option is unknown or does not suit the model, or both a method of degrees of freedom and
        a robust covariance are given.
    DataError
        The rows of the model are not at hand, or a cluster is too large.
    """
    from numbamm.inference.robust.cluster_robust import ClusterRobust
    from numbamm.inference.robust.clusters import Clusters
    from numbamm.inference.robust.score_sandwich import ScoreSandwich

    if robust is None:
        raise OptionError('cluster is for robust covariances: robust="CR2"')
    kind = str(robust).upper()
    if kind not in ROBUST:
        raise OptionError(f"robust must be one of {', '.join(ROBUST)}, not {shown(robust)}")
    if ddf is not None:
        raise OptionError(f"{kind} has degrees of freedom of its own: leave ddf out")
    cache = vars(model.estimates).setdefault("_robust", {})
    key = (kind, cluster) if cluster is None or isinstance(cluster, str) else None
    if key not in cache:
        clusters = Clusters.of(model, cluster)
        made = (ClusterRobust if model.is_linear else ScoreSandwich)(model, clusters, kind)
        if key is None:
            return made
        cache[key] = made
    return cache[key]


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
