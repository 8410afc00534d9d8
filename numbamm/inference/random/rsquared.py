"""Shares of variance: R², marginal and conditional, and intraclass correlations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from numbamm.errors import OptionError
from numbamm.glm import family as families
from numbamm.glm import link as links
from numbamm.inference.comparison.fits import of_numbamm
from numbamm.inference.comparison.reduced import fitted_to
from numbamm.options import one_of
from numbamm.report.result import Result

#: Variance of the latent variable that a link to probabilities stands for.
_LATENT = {
    "logit": np.pi**2 / 3,
    "probit": 1.0,
    "cloglog": np.pi**2 / 6,
    "loglog": np.pi**2 / 6,
    "cauchit": np.inf,
}
METHODS = ("lognormal", "delta", "trigamma")


@dataclass
class Shares:
    """Variances on the scale of the linear predictor.

    Attributes
    ----------
    fixed : float
        Of Xβ over the rows.
    random : dict of str to float
        Of each grouping factor's effects, averaged over the rows.
    residual : float
        Of the response at a given linear predictor, brought to its scale.
    """

    fixed: float
    random: dict[str, float]
    residual: float

    @property
    def total(self) -> float:
        """The sum of all."""
        return self.fixed + sum(self.random.values()) + self.residual


def r2(model, *, method: str = "lognormal") -> Result:
    """Nakagawa's R²: the share of the variance that is explained.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    method : {"lognormal", "delta", "trigamma"}
        How the variance of a response with logarithmic link is brought to the scale of the
        linear predictor. The last is for Poisson, negative binomial and gamma families.

    Returns
    -------
    Result
        Lines ``marginal``, the share of the fixed effects, and ``conditional``, that of fixed
        and random effects; column ``R2``.

    Raises
    ------
    NotFittedError, OptionError

    Notes
    -----
    Probabilities have the variance of the latent variable that their link stands for; other
    links than the logarithm have V(μ) (dη/dμ)². μ is the mean of the model without fixed
    effects but an intercept, which is fitted for that. Random slopes count by their average
    over the rows.

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


def icc(model, *, method: str = "lognormal") -> Result:
    """Intraclass correlations: shares of the variance that grouping factors have.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    method : str
        As for `r2`.

    Returns
    -------
    Result
        A line a grouping factor, and ``all`` of them together: ``adjusted``, the share in what
        the fixed effects leave, and ``unadjusted``, in all.

    Raises
    ------
    NotFittedError, OptionError
    """
    import pandas as pd

    shares = variance_shares(model, method)
    random = np.array([*shares.random.values(), sum(shares.random.values())])
    rest = shares.total - shares.fixed
    frame = pd.DataFrame(
        {"adjusted": random / rest, "unadjusted": random / shares.total},
        index=[*shares.random, "all"],
    )
    return Result("Intraclass correlations", frame, _notes(model, method))


def variance_shares(model, method: str = "lognormal") -> Shares:
    """The variances that R² and the intraclass correlation are made of."""
    one_of("method", method, METHODS)
    random = _random(of_numbamm(model))
    fixed = model.feterm.x[:, model.feterm.kept] @ model.estimates.beta
    return Shares(float(fixed.var(ddof=1)), random, _residual(model, method))


def _random(model) -> dict[str, float]:
    """Variance of each factor's contribution to η, averaged over the rows."""
    totals: dict[str, float] = {}
    for term, estimated in zip(model.reterms, model.varcorr.terms, strict=True):
        each = np.einsum("an,ab,bn->n", term.z, estimated.cov, term.z)
        totals[term.group] = totals.get(term.group, 0.0) + float(each.mean())
    return totals


def _residual(model, method: str) -> float:
    """Variance of the response given η, on η's scale."""
    if model.link == "identity" and model.family == "gaussian":
        return model.sigma**2
    if model.link in _LATENT:
        return _LATENT[model.link]
    code, link = families.NAMES[model.family], links.NAMES[model.link]
    eta = _eta_without_predictors(model)
    mu, slope = links.mean(link, eta), links.slope(link, eta)
    variance = model.sigma**2 * families.variance(code, model.shape or 0.0, mu)
    if model.link != "log" or method == "delta":
        return float((variance / slope**2).item())
    relative = float((variance / mu**2).item())
    if method == "lognormal":
        return float(np.log1p(relative))
    if model.family not in ("poisson", "negativebinomial", "gamma"):
        raise OptionError(f'method="trigamma" is not for the family {model.family}')
    from scipy.special import polygamma

    return float(polygamma(1, 1 / relative))


def _eta_without_predictors(model) -> np.ndarray:
    """η of the population mean in the model with an intercept alone, shape (1,)."""
    n = model.nobs
    alone = model.feterm.rank == 1 and model.feterm.constant is not None
    null = model
    if not alone:
        frame = replace(model.frame, X=np.ones((n, 1)), xnames=["Intercept"])
        null = fitted_to(model, frame)
    offset = 0.0 if model.frame.offset is None else model.frame.offset.mean()
    eta = null.beta[0] * null.feterm.x[0, 0] + offset
    if model.link == "log":  # the mean of a log-normal variable
        eta += sum(_random(null).values()) / 2
    return np.array([eta])


def _notes(model, method: str) -> list[str]:
    if model.link != "log":
        return []
    return [f"Variance of the response on the scale of the logarithm: {method}."]
