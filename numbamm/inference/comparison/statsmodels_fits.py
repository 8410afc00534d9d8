"""`of_statsmodels`: the `Fit` of a statsmodels result without random effects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbamm.design.femat import FeMat
from numbamm.errors import OptionError
from numbamm.glm.family import FAMILIES, Family
from numbamm.glm.link import LINKS, Link
from numbamm.inference.comparison.fits import Fit


class _Kind(NamedTuple):
    """Family and link of a statsmodels class, whose `llf` has all constants of the density."""

    family: str
    link: str
    dispersed: bool = False


_KINDS = {
    "OLS": _Kind("gaussian", "identity", True),
    "WLS": _Kind("gaussian", "identity", True),
    "Logit": _Kind("bernoulli", "logit"),
    "Probit": _Kind("bernoulli", "probit"),
    "Poisson": _Kind("poisson", "log"),
    "NegativeBinomial": _Kind("negativebinomial", "log", True),
}


def of_statsmodels(result) -> Fit:
    """The `Fit` of a statsmodels result.

    Raises
    ------
    OptionError
        The model, or the kind of its fit, cannot be compared.
    """
    model, kind = result.model, type(result.model).__name__
    if kind != "GLM" and kind not in _KINDS:
        raise OptionError(
            f"a fit of statsmodels' {kind} cannot be compared, but those of GLM, "
            f"{', '.join(_KINDS)} can"
        )
    _refuse_not_maximised(result, kind)
    y, x = np.asarray(model.endog, dtype=float), np.asarray(model.exog, dtype=float)
    names, n = [str(name) for name in model.exog_names[: x.shape[1]]], len(y)
    offset = np.zeros(n)
    for name in ("offset", "exposure"):  # statsmodels keeps the logarithms of exposures
        given = getattr(model, name, None)
        offset = offset + (0.0 if given is None else np.asarray(given, dtype=float))
    weights = np.ones(n)
    for name in {"WLS": ["weights"], "GLM": ["n_trials", "freq_weights", "var_weights"]}.get(
        kind, []
    ):
        given = getattr(model, name, None)
        weights = weights * (1.0 if given is None else np.asarray(given, dtype=float))
    fixed = FeMat.from_columns(x, names, np.sqrt(weights))
    if kind == "GLM":
        family, link, dispersed = _glm_kind(model)
        llf = _glm_llf(family, link, y, weights, offset + x @ np.asarray(result.params))
    else:
        family, link, dispersed = (
            FAMILIES[_KINDS[kind].family],
            LINKS[_KINDS[kind].link],
            _KINDS[kind].dispersed,
        )
        llf = float(result.llf)
    formula = getattr(model, "formula", None) or f"{model.endog_names} ~ {' + '.join(names)}"
    return Fit(
        text=f"{formula} ({kind})",
        llf=llf,
        npar=fixed.rank + dispersed,
        y=y,
        weights=weights,
        offset=offset,
        fixed=fixed,
        terms=[],
        family=family,
        link=link,
        reml=False,
    )


def _refuse_not_maximised(result, kind: str) -> None:
    """Raise an `OptionError` unless the fit maximises the likelihood over all coefficients."""
    inner = type(getattr(result, "_results", result)).__name__
    if inner.startswith("L1") or "Regularized" in inner:
        raise OptionError(
            f"a regularized fit of statsmodels' {kind} does not maximise the likelihood: fit it "
            "without a penalty"
        )
    if getattr(result, "constraints", None) is not None:
        raise OptionError(
            f"a fit of statsmodels' {kind} with constraints does not maximise the likelihood: "
            "fit it without them"
        )
    if getattr(result.model, "loglike_method", "nb2") != "nb2":
        raise OptionError("statsmodels' NegativeBinomial can be compared with loglike_method='nb2'")


def _glm_kind(model) -> tuple[Family, Link, bool]:
    """Family and link of a statsmodels GLM, and whether it has a dispersion."""
    kind, link = type(model.family).__name__, type(model.family.link).__name__.lower()
    family, ours = FAMILIES.get(kind), LINKS.get(link)
    if family is None or family.has_shape or family.density is not None:
        several = [f for f in FAMILIES if f.has_shape or f.density is not None]
        known = ", ".join(f.name for f in FAMILIES if f not in several and not f.kin)
        raise OptionError(f"statsmodels' GLM can be compared for the families {known}, not {kind}")
    if ours is None:
        known = ", ".join(link.name for link in LINKS)
        raise OptionError(f"statsmodels' link {link} has no counterpart here; there are {known}")
    counted = getattr(model, "freq_weights", None)
    if family.dispersed and counted is not None and (np.asarray(counted) != 1).any():
        raise OptionError(
            "statsmodels' freq_weights count rows, while weights here are precisions: fit the GLM "
            "with var_weights"
        )
    return family, ours, family.dispersed


def _glm_llf(family: Family, link: Link, y, weights, eta) -> float:
    """The log-likelihood with the constants that numbamm uses.

    statsmodels leaves out the binomial coefficients if trials are weights of a proportion, and
    uses Pearson's estimate of the dispersion instead of the one that maximises the likelihood.
    """
    deviance = float(weights @ family.deviances(link, 0.0, y, eta))
    phi = family.best_dispersion(weights, deviance)
    return -(deviance / phi + family.constant(y, weights, 0.0, phi)) / 2
