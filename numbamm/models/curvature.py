"""How strongly the deviance curves: about, where a search by gradients begins, and at its end."""

from __future__ import annotations

import numpy as np

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.models.parameters import Values
from numbamm.optimize.differences import hessian, jacobian

#: The scale on which the deviance curves in log shape and log φ.
LOG_SCALE = 0.3
#: Differences for standard errors, in standard errors and as a share of θ: of objective, gradient.
HESSIAN_STEP, GRADIENT_STEP = 0.02, 0.002


def first_curvature(model, at: Values, steps) -> np.ndarray:
    """About the second derivatives of a generalized model's deviance where a full fit begins.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        With the modes at these parameters.
    at : Values
        Inside.
    steps : ndarray, shape (number of parameters,)
        First steps, which stand for the scale where nothing better is known.

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
    parts, start = [], 0
    for term in model._inside:
        theta = at.theta[start : start + len(term.inds)]
        parts.append(theta_curvature(term, theta, model._modes.working_weights))
        start += len(term.inds)
    curvature[-ntheta:] = np.maximum(np.concatenate(parts), 1.0)
    return curvature


def theta_curvature(term, theta, weights) -> np.ndarray:
    """Expected second derivatives of -2 log-likelihood in the θ of a term, as if it were alone.

    For the θ in row r and column c of λ, 2 Σ_j [(λ'S_j)²_cr + (S_j)_rr (λ'S_jλ)_cc] with
    S_j = C_j - C_jλ(λ'C_jλ + I)⁻¹λ'C_j, which is Z_j'V⁻¹Z_j.

    Parameters
    ----------
    term : ReMat
    theta : ndarray, shape (number of θ,)
        Of this term.
    weights : ndarray, shape (n,)
        Working weights of the rows: C_j is the sum of w zz' over the rows of level j.

    Returns
    -------
    ndarray, shape (number of θ,)
        Not negative; 0 where λ = 0 hides what θ does.
    """
    p, lam = term.p, np.zeros((term.p, term.p))
    lam.ravel()[term.inds] = theta
    C = np.empty((term.nlevels, p, p))
    for a in range(p):
        for b in range(a + 1):
            products = weights * term.z[a] * term.z[b]
            C[:, a, b] = C[:, b, a] = np.bincount(term.refs, products, term.nlevels)
    inner = np.linalg.inv(lam.T @ C @ lam + np.eye(p))
    S = C - C @ lam @ inner @ lam.T @ C
    across = lam.T @ S
    both = across @ lam
    row, column = np.divmod(term.inds, p)
    products = S[:, row, row] * both[:, column, column]
    return 2 * (across[:, column, row] ** 2 + products).sum(axis=0)


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
