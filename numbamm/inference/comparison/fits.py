"""`Fit`: what a comparison needs to know of a fitted model, ours or one of statsmodels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.design.femat import FeMat
from numbamm.design.remat import ReMat
from numbamm.errors import OptionError
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


def labelled(fits: list[Fit]) -> list[str]:
    """The formulas, with families and links where these differ, and with what was held."""
    differ = len({(fit.family, fit.link) for fit in fits}) > 1
    labels = []
    for fit in fits:
        held = {"shape": fit.shape, "sigma": fit.sigma}
        held = [f"{name} held at {value:g}" for name, value in held.items() if value is not None]
        labels.append(", ".join([fit.text, *([fit.family, fit.link] if differ else []), *held]))
    return labels
