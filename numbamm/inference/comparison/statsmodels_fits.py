"""Fits of statsmodels without random effects, as `Fit` sees them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbamm.design.femat import FeMat
from numbamm.errors import OptionError
from numbamm.glm import family as families
from numbamm.glm import link as links
from numbamm.inference.comparison.fits import Fit


class _Kind(NamedTuple):
    """A class of statsmodels whose `llf` is a maximised log-likelihood with every constant."""

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
#: Families of statsmodels' GLM.
_FAMILIES = {
    "Gaussian": "gaussian",
    "Binomial": "binomial",
    "Poisson": "poisson",
    "Gamma": "gamma",
    "InverseGaussian": "inversegaussian",
}
#: Links of statsmodels that have another name here.
_LINKS = {"inversepower": "inverse", "inversesquared": "inverse-squared", "cauchy": "cauchit"}


def of_statsmodels(result) -> Fit:
    """The view of a result of statsmodels.

    Raises
    ------
    OptionError
        If it is of a model, or a kind of fit, that cannot be compared.
    """
    model, kind = result.model, type(result.model).__name__
    if kind != "GLM" and kind not in _KINDS:
        raise OptionError(f"statsmodels' {kind} cannot be compared: GLM, {', '.join(_KINDS)} can")
    _refuse_not_maximised(result, kind)
    y, x = np.asarray(model.endog, dtype=float), np.asarray(model.exog, dtype=float)
    names, n = [str(name) for name in model.exog_names[: x.shape[1]]], len(y)
    offset = np.zeros(n)
    for name in ("offset", "exposure"):  # exposures stand there as logarithms
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
        (family, link, dispersed), llf = _KINDS[kind], float(result.llf)
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
    """Raise an `OptionError` where the likelihood is not at its maximum over all coefficients."""
    inner = type(getattr(result, "_results", result)).__name__
    if inner.startswith("L1") or "Regularized" in inner:
        raise OptionError(f"a regularized fit of statsmodels' {kind} has no maximised likelihood")
    if getattr(result, "constraints", None) is not None:
        raise OptionError(f"a fit of statsmodels' {kind} with constraints cannot be compared")
    if getattr(result.model, "loglike_method", "nb2") != "nb2":
        raise OptionError("statsmodels' NegativeBinomial can be compared with loglike_method='nb2'")


def _glm_kind(model) -> tuple[str, str, bool]:
    """Family, link and whether there is a dispersion, of statsmodels' GLM."""
    kind, link = type(model.family).__name__, type(model.family.link).__name__.lower()
    if kind not in _FAMILIES:
        raise OptionError(
            f"statsmodels' GLM can be compared for {', '.join(_FAMILIES)}, not {kind}"
        )
    link = _LINKS.get(link, link)
    if link not in links.NAMES:
        raise OptionError(f"statsmodels' GLM with the link {link} has no counterpart here")
    family = _FAMILIES[kind]
    dispersed = families.NAMES[family] in families.DISPERSED
    counted = getattr(model, "freq_weights", None)
    if dispersed and counted is not None and (np.asarray(counted) != 1).any():
        raise OptionError(
            "statsmodels' freq_weights count rows, and ours are precisions: give var_weights"
        )
    return family, link, dispersed


def _glm_llf(family: str, link: str, y, weights, eta) -> float:
    """The log-likelihood by our own constants.

    statsmodels' lacks the binomial coefficients where trials are weights of a proportion, and
    takes Pearson's estimate of the dispersion, where it is maximised over ours.
    """
    code = families.NAMES[family]
    deviance = float(weights @ families.unit_deviances(code, links.NAMES[link], 0.0, y, eta))
    phi = families.dispersion(code, weights, deviance) if code in families.DISPERSED else 1.0
    return -(deviance / phi + families.saturated(code, y, weights, 0.0, phi)) / 2
