"""`Estimates`: the numbers that a fit finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from numbamm.shortrepr import ShortRepr

if TYPE_CHECKING:
    from numbamm.models.fitting.monte_carlo import MonteCarloErrors
    from numbamm.models.parts.degenerate import Flat


@dataclass(repr=False)
class Estimates(ShortRepr):
    """The numbers of a fit, from which all else follows.

    Attributes
    ----------
    beta : ndarray, shape (rank,)
        Coefficients of the kept fixed-effects columns.
    covariance : ndarray, shape (rank, rank), or None
        Their covariance matrix; None until somebody asks the model for it.
    sigma : float
        Residual standard deviation, or the square root of the dispersion.
    u, b : list of ndarray, shape (levels, p)
        Spherical and original random effects, in the order of `reterms`.
    eta, fitted : ndarray, shape (n,)
        Linear predictors and conditional means of the rows that were used.
    objective : float
        What was minimised, at its minimum.
    reml : bool
        Whether that is the REML criterion.
    sigma_given : bool
        Whether sigma was held, not estimated.
    shape : float or tuple of float
        Shape of the negative binomial; 0 for other families. Of a model of several parts, their
        coefficients in the columns in which they were searched for.
    part_covariance : ndarray or None
        Of a model of several parts, the covariance matrix of β and of their coefficients.
    flat_parts : list or None
        Directions of parts along which nothing changes, with words; None until asked.
    advice : str or None
        What is said of the Laplace approximation; None until a table asks.
    nagq : int
        Nodes of the quadrature by which a generalized model was fitted; 1 for none.
    likelihood_holds : bool or None
        Whether the approximation of a generalized model's likelihood holds; None until asked.
    monte_carlo : MonteCarloErrors or None
        Monte-Carlo errors of a fit by random probes; None where there are none.
    at_minimum : bool
        Whether nothing is known that speaks against a minimum of the objective.
    parts : ndarray or None
        Coefficients of all parts of a model that has several.
    parts_covariance : ndarray or None
        Their covariance matrix; None until somebody asks the model for it.
    held_sigma : float or None
        sigma, where it was held.

    See Also
    --------
    LinearMixedModel.estimates : Where they are found.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> round(m.estimates.objective, 3), m.estimates.reml
    (327.327, False)
    """

    beta: np.ndarray
    covariance: np.ndarray | None
    sigma: float
    u: list[np.ndarray]
    b: list[np.ndarray]
    eta: np.ndarray
    fitted: np.ndarray
    objective: float
    reml: bool
    sigma_given: bool
    shape: Any = 0.0
    part_covariance: np.ndarray | None = None
    flat_parts: list[Flat] | None = None
    nagq: int = 1
    advice: str | None = None
    likelihood_holds: bool | None = None
    monte_carlo: MonteCarloErrors | None = None
    at_minimum: bool = True
    parts: np.ndarray | None = None
    parts_covariance: np.ndarray | None = None

    @property
    def held_sigma(self) -> float | None:
        """sigma, where it was held."""
        return self.sigma if self.sigma_given else None
