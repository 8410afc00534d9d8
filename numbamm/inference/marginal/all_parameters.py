"""`ParameterCovariance`: all parameters of a fit and their covariance, for the delta method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.inference.fixed.backtransform import BackTransform
from numbamm.models.varcorr import SINGULAR_TOLERANCE
from numbamm.optimize.differences import jacobian, slopes

#: Half-widths of differences of the objective, in standard errors or units of a parameter.
STEP = 0.002
#: Second differences take steps wider by this.
WIDER = 5.0


@dataclass(frozen=True)
class ParameterCovariance:
    """The parameters x = (β, ..., θ) of a fit, and what is known of their errors.

    Attributes
    ----------
    x : ndarray, shape (parameters,)
        The kept coefficients, then the logarithm of a dispersion or a shape, then θ. Of linear
        models, and of fast fits, the coefficients alone: the others count as known.
    covariance : ndarray, shape (parameters, parameters)
        Zero for those that count as known.
    notes : list of str
        What counts as known.
    """

    x: np.ndarray
    covariance: np.ndarray
    notes: list[str]

    @classmethod
    def of(cls, model, method) -> ParameterCovariance:
        """The parameters of a fitted model.

        Parameters
        ----------
        model : MixedModel
        method : object
            The method of degrees of freedom, with the covariance of β that it uses.
        """
        beta = model.estimates.beta
        if model.is_linear and not BackTransform(model).steps:
            return cls(beta, method.vcov, [])  # means do not depend on variances
        if model.is_linear or model.fit_options["fast"]:
            known = ["Standard errors take the variances of the random effects as known."]
            return cls(beta, method.vcov, known)
        whole = getattr(method, "whole", None)
        if whole is None:
            cache = vars(model.estimates)
            if "_whole" not in cache:
                cache["_whole"] = inverse_information(model)
            whole = cache["_whole"]
        covariance, notes = whole
        return cls(model.optsum.final, covariance, notes)


def inverse_information(model) -> tuple[np.ndarray, list[str]]:
    """The inverse of the observed information about all parameters of a full generalized fit.

    Returns
    -------
    covariance : ndarray, shape (parameters, parameters)
        Zero for variances that are estimated as zero, which count as known.
    notes : list of str
    """
    x = model.optsum.final
    free = np.abs(x) > SINGULAR_TOLERANCE
    free[: len(x) - len(model.theta)] = True
    covariance = np.zeros((len(x), len(x)))
    with blas_threads():
        step = steps(model)
        information = jacobian(lambda at: derivative(model, at, step), x, WIDER * step) / 2
        covariance[np.ix_(free, free)] = np.linalg.inv(information[np.ix_(free, free)])
    return covariance, [] if free.all() else ["Singular fit: variances of zero count as known."]


def derivative(model, x, step) -> np.ndarray:
    """The gradient of -2 log-likelihood by all parameters; by differences under quadrature."""
    if model.optsum.nagq > 1:
        return slopes(model.objective_at, x, step)
    return model.objective_gradient(x)[1]


def steps(model) -> np.ndarray:
    """Half-widths of differences for each parameter of a full generalized fit."""
    x, rank, theta = model.optsum.final, len(model.estimates.beta), len(model.theta)
    step = np.full(len(x), STEP)
    step[:rank] *= np.sqrt(np.diag(model.beta_covariance))
    step[-theta:] *= np.maximum(np.abs(x[-theta:]), 0.1)
    return step
