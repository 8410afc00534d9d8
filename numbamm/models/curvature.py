"""How strongly the deviance curves: about, where a search by gradients begins, and at its end."""

from __future__ import annotations

import numpy as np

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.glm.curvature import theta_curvatures
from numbamm.models.parameters import Values
from numbamm.optimize.differences import hessian, jacobian

#: The scale on which the deviance curves in log shape and log φ.
LOG_SCALE = 0.3
#: Differences for standard errors, in standard errors and as a share of θ: of objective, gradient.
HESSIAN_STEP, GRADIENT_STEP = 0.02, 0.002


def first_curvature(model, at: Values, steps, weights) -> np.ndarray:
    """About the second derivatives of a generalized model's deviance where a search begins.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        With the modes at these parameters.
    at : Values
        Inside.
    steps : ndarray, shape (number of parameters,)
        First steps, which stand for the scale where nothing better is known.
    weights : ndarray, shape (n,)
        Expected information of the rows at the mode.

    Returns
    -------
    ndarray, shape (number of parameters,)
        In γ, whitened, in the nuisance parameter and in θ.
    """
    rank, ntheta = len(at.beta), len(at.theta)
    curvature = 1 / steps**2
    curvature[:rank] = 2.0
    if model._likelihood.dispersed:
        curvature[rank:-ntheta] = model.nobs
    curvature[-ntheta:] = theta_curvatures(model._modes.terms, at.theta, weights)
    return curvature


def hessian_covariance(model, gamma_cov) -> np.ndarray:
    """Covariance of γ by the Hessian in all parameters, which counts what is not known of θ.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        After a full fit.
    gamma_cov : ndarray, shape (rank, rank)
        The covariance that takes θ as known. It sets the steps, and stands in where the Hessian
        is not positive definite, as at singular fits.

    Returns
    -------
    ndarray, shape (rank, rank)
    """
    rank, ntheta = model.feterm.rank, len(model.theta)
    x, _ = model._checked(model.optsum.final)
    scale = np.full(len(x), LOG_SCALE)
    scale[:rank] = np.sqrt(np.diag(gamma_cov))
    scale[-ntheta:] = np.maximum(np.abs(x[-ntheta:]), 0.1)
    with blas_threads(config.get("threads")):
        objective = model._objective(False, model.estimates.nagq)
        if model.estimates.nagq == 1:
            step = GRADIENT_STEP * scale
            curvature = jacobian(lambda at: objective.gradient(at)[1], x, step) / 2
        else:
            curvature = hessian(objective, x, HESSIAN_STEP * scale) / 2
    try:
        np.linalg.cholesky(curvature)
    except np.linalg.LinAlgError:
        return gamma_cov
    return np.linalg.inv(curvature)[:rank, :rank]
