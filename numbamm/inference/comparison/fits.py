"""`Fit`: what a comparison needs to know of a fitted model, ours or one of statsmodels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.design.femat import FeMat
from numbamm.design.remat import ReMat
from numbamm.errors import OptionError
from numbamm.models.linear import LinearMixedModel
from numbamm.models.mixedmodel import MixedModel
from numbamm.options import shown


def of_numbamm(model) -> MixedModel:
    """The model, if it is one of ours.

    Raises
    ------
    OptionError
    """
    if not isinstance(model, MixedModel):
        raise OptionError(f"the model must be one of numbamm, not {shown(model)}")
    return model


@dataclass
class Fit:
    """A fitted model, seen by what it is compared with.

    Attributes
    ----------
    text : str
        Its formula.
    llf : float
        Maximised log-likelihood, or the restricted one.
    npar : int
        Number of estimated parameters.
    y, weights, offset : ndarray, shape (n,)
        Response, weights (trials, for counts) and offset of the rows used.
    fixed : FeMat
        The fixed effects.
    terms : list of ReMat
        The random effects.
    family, link : str
    reml : bool
    method : str
        How the integral over the random effects was approximated; nothing where it is exact.
    information : str
        Which information the approximation is by; nothing where there is but one.
    sigma, shape : float or None
        The residual standard deviation, and the negative binomial's shape, if they were held.
    singular : bool
        Whether a covariance of the random effects lacks full rank.
    """

    text: str
    llf: float
    npar: int
    y: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    fixed: FeMat
    terms: list[ReMat]
    family: str
    link: str
    reml: bool
    method: str = ""
    information: str = ""
    sigma: float | None = None
    shape: float | None = None
    singular: bool = False

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return len(self.y)

    @property
    def objective(self) -> float:
        """-2 log-likelihood, or the REML criterion."""
        return -2 * self.llf

    @property
    def criteria(self) -> dict[str, float]:
        """Number of parameters, AIC, BIC, log-likelihood and objective."""
        return {
            "npar": self.npar,
            "aic": self.objective + 2 * self.npar,
            "bic": self.objective + np.log(self.nobs) * self.npar,
            "llf": self.llf,
            "objective": self.objective,
        }

    @classmethod
    def of(cls, model) -> Fit:
        """The view of a fitted model.

        Raises
        ------
        NotFittedError
            If a model of ours is not fitted.
        OptionError
            If it is neither that nor a result of statsmodels that can be compared.
        """
        if isinstance(model, MixedModel):
            return _of_ours(model)
        if hasattr(model, "llf") and hasattr(getattr(model, "model", None), "exog"):
            from numbamm.inference.comparison.statsmodels_fits import of_statsmodels

            return of_statsmodels(model)
        raise OptionError(
            "only fitted models of numbamm can be compared, and those of statsmodels without "
            f"random effects, not {shown(model)}"
        )


def _of_ours(model) -> Fit:
    frame, estimates, n = model.frame, model.estimates, model.nobs
    linear = isinstance(model, LinearMixedModel)
    exact = linear or (model.family, model.link) == ("gaussian", "identity")
    return Fit(
        text=model.formula,
        llf=model.llf,
        npar=model.n_parameters,
        y=frame.y,
        weights=np.ones(n) if frame.weights is None else frame.weights,
        offset=np.zeros(n) if frame.offset is None else frame.offset,
        fixed=model.feterm,
        terms=model.reterms,
        family=model.family,
        link=model.link,
        reml=estimates.reml,
        method="" if exact else _method(model),
        information="" if exact or model._canonical else model.information,
        sigma=estimates.held_sigma if linear else None,
        shape=None if linear else model._given_shape,
        singular=model.is_singular(),
    )


def _method(model) -> str:
    """How a generalized model's likelihood was approximated, in words."""
    nagq = model.optsum.nagq
    how = "the Laplace approximation" if nagq == 1 else f"quadrature with {nagq} nodes"
    return how + (" (fast)" if model._fast else "")


def labelled(fits: list[Fit]) -> list[str]:
    """The formulas, with families and links where these differ, and with what was held."""
    differ = len({(fit.family, fit.link) for fit in fits}) > 1
    labels = []
    for fit in fits:
        held = {"shape": fit.shape, "sigma": fit.sigma}
        held = [f"{name} held at {value:g}" for name, value in held.items() if value is not None]
        labels.append(", ".join([fit.text, *([fit.family, fit.link] if differ else []), *held]))
    return labels
