"""`r2` and `icc`: shares of the variance explained by fixed effects and by grouping factors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.comparison.reduced import fitted_model
from numbamm.options import one_of
from numbamm.report.result import Result

METHODS = ("lognormal", "delta", "trigamma")


@dataclass
class Shares:
    """Variance components on the scale of the linear predictor.

    Attributes
    ----------
    fixed : float
        Variance of Xβ over the rows.
    random : dict of str to float
        Variance of each grouping factor's effects, averaged over the rows.
    residual : float
        Variance of the response given the linear predictor, transformed to its scale.
    """

    fixed: float
    random: dict[str, float]
    residual: float

    @property
    def unexplained(self) -> float:
        """The variance without that of the fixed effects."""
        return sum(self.random.values()) + self.residual

    @property
    def total(self) -> float:
        """The total variance."""
        return self.fixed + self.unexplained


@names_arguments
def r2(model, *, method: str = "lognormal") -> Result:
    """Nakagawa's R²: the share of the variance that is explained.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    method : {"lognormal", "delta", "trigamma"}
        How the variance of a response with logarithmic link is transformed to the scale of the
        linear predictor. The last is for Poisson, negative binomial and gamma families.

    Returns
    -------
    Result
        Column ``R2`` with rows ``marginal``, the share of the fixed effects, and ``conditional``,
        the share of fixed and random effects together.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        `method` is unknown, or does not suit the family.

    See Also
    --------
    icc : The shares of grouping factors.

    Notes
    -----
    For links to probabilities the residual variance is that of the latent variable. For other
    links than the logarithm it is V(μ) (dη/dμ)², where μ is the mean in the model with an
    intercept as its only fixed effect; that model is fitted for this purpose. The variance of
    random slopes is averaged over the rows.

    References
    ----------
    Nakagawa & Schielzeth, 2013, Methods Ecol. Evol. 4, 133; Johnson, 2014, Methods Ecol. Evol.
    5, 944; Nakagawa, Johnson & Schielzeth, 2017, J. R. Soc. Interface 14, 20170213.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"), reml=True)
    >>> mm.r2(m).to_frame()["R2"].round(3).tolist()
    [0.279, 0.799]
    """
    import pandas as pd

    shares = variance_shares(model, method)
    explained = [shares.fixed, shares.fixed + sum(shares.random.values())]
    frame = pd.DataFrame(
        {"R2": np.array(explained) / shares.total}, index=["marginal", "conditional"]
    )
    return Result("Nakagawa's R²", frame, _notes(model, method))


@names_arguments
def icc(model, *, method: str = "lognormal") -> Result:
    """Intraclass correlations: the grouping factors' shares of the variance.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    method : str
        As for `r2`.

    Returns
    -------
    Result
        A row per grouping factor, and ``all`` of them together: ``adjusted``, the share of the
        variance without that of the fixed effects, and ``unadjusted``, the share of the total.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        `method` is unknown, or does not suit the family.

    See Also
    --------
    r2 : The share of the fixed effects.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.icc().frame["adjusted"].round(3).to_dict()
    {'Subject': 0.709, 'all': 0.709}
    """
    import pandas as pd

    shares = variance_shares(model, method)
    random = np.array([*shares.random.values(), sum(shares.random.values())])
    frame = pd.DataFrame(
        {"adjusted": random / shares.unexplained, "unadjusted": random / shares.total},
        index=[*shares.random, "all"],
    )
    return Result("Intraclass correlations", frame, _notes(model, method))


def variance_shares(model, method: str = "lognormal") -> Shares:
    """The variances from which R² and intraclass correlations are computed."""
    one_of("method", method, METHODS)
    random = _random(mixed_model(model))
    fixed = model.feterm.x[:, model.feterm.kept] @ model.estimates.beta
    return Shares(float(fixed.var(ddof=1)), random, residual_on_link_scale(model, method))


def _random(model) -> dict[str, float]:
    """Variance of each grouping factor's contribution to η, averaged over the rows."""
    totals: dict[str, float] = {}
    for term, estimated in zip(model.reterms, model.varcorr.terms, strict=True):
        variances = np.einsum("an,ab,bn->n", term.z, estimated.cov, term.z)
        if term.relation is not None:
            variances = variances * term.relation.variances[term.refs]
        totals[term.group] = totals.get(term.group, 0.0) + float(variances.mean())
    return totals


def residual_on_link_scale(model, method: str) -> float:
    """Variance of the response given η, on the scale of η."""
    if model.has_categories and model.frame.parts:
        raise OptionError(
            "with nominal or scale effects the variance that predictors explain, or that of the "
            "noise, differs between rows and thresholds: R² and intraclass correlations are for "
            "ordinal models without them"
        )
    family, link = model.family_record, model.link_record
    if family.is_linear(link):
        return model.sigma**2 if model.residual_side is None else model.residual_variance
    constant = None
    if model.composition is not None:
        what = "R² and intraclass correlations"
        if family.expectation is not None:
            raise OptionError(f"{what}: not known for {family} responses, whose mean is not μ")
        constant = model.constant_parameters(what)
    if link.latent_variance is not None and (constant is None or family.proportions):
        return link.latent_variance
    eta = _eta_without_predictors(model)
    mu, slope = link.mean(eta), link.slope(eta)
    if constant is not None:
        w = float(np.mean(model.prior_weights))
        variance = family._given(family._known("variance"), mu=mu, w=w, shape=constant)
    else:
        variance = model.sigma**2 * family.variance_at(mu, model.shape or 0.0)
    if not link.logarithmic or method == "delta":
        return float((variance / slope**2).item())
    relative = float((variance / mu**2).item())
    if method == "lognormal":
        return float(np.log1p(relative))
    if not family.trigamma:
        raise OptionError(
            f'method="trigamma" is for Poisson, negative binomial and gamma models, not for '
            f"{family}: take one of the other methods"
        )
    from scipy.special import polygamma

    return float(polygamma(1, 1 / relative))


def _eta_without_predictors(model) -> np.ndarray:
    """η at the mean response, in the model whose only fixed effect is an intercept, shape (1,)."""
    n = model.nobs
    null = model
    if model.feterm.rank != 1 or model.feterm.constant is None:
        frame = replace(model.frame, X=np.ones((n, 1)), xnames=["Intercept"])
        null = fitted_model(model, frame)
    offset = 0.0 if model.frame.offset is None else model.frame.offset.mean()
    eta = null.beta[0] * null.feterm.x[0, 0] + offset
    if model.link_record.logarithmic:  # the mean of a log-normal variable
        eta += sum(_random(null).values()) / 2
    return np.array([eta])


def _notes(model, method: str) -> list[str]:
    """The note on the method, for logarithmic links."""
    if not model.link_record.logarithmic:
        return []
    return [f"Residual variance on the scale of the logarithm by the method {method}."]
