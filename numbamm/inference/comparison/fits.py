"""`Fit`: the properties of a fitted model, of numbamm or statsmodels, that comparisons use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from numbamm.blocks.tail.probes import standard_error
from numbamm.design.femat import FeMat
from numbamm.design.remat import ReMat
from numbamm.errors import OptionError, shown
from numbamm.glm.family import Family
from numbamm.glm.link import Link
from numbamm.models.fitting.monte_carlo import MonteCarloErrors
from numbamm.models.mixedmodel import MixedModel
from numbamm.options import name_list
from numbamm.shortrepr import ShortRepr

if TYPE_CHECKING:
    from numbamm.models.residual_side.side import ResidualSide

#: A difference of at most so many of its Monte-Carlo errors may be none.
SWALLOWED = 3.0


def mixed_model(model) -> MixedModel:
    """The argument `model`, which must be a model of numbamm.

    Raises
    ------
    OptionError
    """
    if not isinstance(model, MixedModel):
        raise OptionError(f"model must be a model of numbamm, not {shown(model)}")
    return model


@dataclass(repr=False)
class Fit(ShortRepr):
    """A fitted model as comparisons see it.

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
    family, link : Family, Link
    reml : bool
    method : str
        How the integral over the random effects was approximated; empty if it is exact.
    information : str
        The information that the approximation uses; empty if observed and expected agree.
    sigma, shape : float or None
        Given values of the residual standard deviation and the negative binomial's shape; None
        if they were estimated.
    rows : int, optional
        Number of rows used, where the arrays are of some of them: rows that stream are compared
        by the first ones, and by the digest of all.
    digest : ndarray, shape (3,), optional
        Of the response and the weights; see `ModelFrame`.
    singular : bool
        Whether a covariance matrix of the random effects is singular.
    monte_carlo : MonteCarloErrors or None
        Monte-Carlo errors of an approximate fit.
    parts : dict of str → ndarray, shape (n, columns)
        Orthogonal columns of further parts of the model, the constant included.
    thresholds : str
        The structure of thresholds of an ordinal model; empty for others.
    residual_side : ResidualSide or None
        The structure of the residuals, if they have one.
    """

    text: str
    llf: float
    npar: int
    y: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    fixed: FeMat
    terms: list[ReMat]
    family: Family
    link: Link
    reml: bool
    method: str = ""
    information: str = ""
    sigma: float | None = None
    shape: float | None = None
    singular: bool = False
    rows: int | None = None
    digest: np.ndarray | None = None
    monte_carlo: MonteCarloErrors | None = None
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    thresholds: str = ""
    residual_side: ResidualSide | None = None

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return len(self.y) if self.rows is None else self.rows

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


def difference_error(one: Fit, other: Fit) -> float:
    """Monte-Carlo standard error of the difference of two objectives; 0 if both are exact.

    Fits by the same probes share most of their errors, which cancel.
    """
    a, b = one.monte_carlo, other.monte_carlo
    if a is None and b is None:
        return 0.0
    if a is not None and b is not None and a.are_paired_with(b):
        difference = a.objectives - b.objectives
        return float(standard_error(difference - difference.mean()))
    return float(np.hypot(*(0.0 if errors is None else errors.objective for errors in (a, b))))


def is_swallowed(difference: float, error: float) -> bool:
    """Whether a difference of objectives says nothing, for its Monte-Carlo error."""
    return error > 0 and abs(difference) <= SWALLOWED * error


def model_names(fits: list[Fit], names: Iterable[str] | None) -> list[str]:
    """Names of the models in tables: as given, or m0, m1, ...

    Raises
    ------
    OptionError
        There are not as many names as models, or two are equal.
    """
    if names is None:
        return [f"m{i}" for i in range(len(fits))]
    given = name_list("names", names)
    if len(given) != len(fits) or len(set(given)) < len(given):
        raise OptionError(
            f"names must be {len(fits)} different names, one for each model, not {shown(given)}"
        )
    return given


def labelled(fits: list[Fit]) -> list[str]:
    """The formulas, with families and links if these differ, and with given σ and shapes."""
    kinds = [[str(fit.family), str(fit.link)] for fit in fits]
    differ = any(kind != kinds[0] for kind in kinds)
    labels = []
    for fit, kind in zip(fits, kinds, strict=True):
        given = {"shape": fit.shape, "sigma": fit.sigma}
        given = [f"{name} held at {value:g}" for name, value in given.items() if value is not None]
        labels.append(", ".join([fit.text, *(kind if differ else []), *given]))
    return labels
