"""How strongly the deviance curves: about, where a search by gradients begins, and at its end."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.glm.curvature import theta_curvatures
from numbamm.models.spaces.generalized_space import LOG_SCALE
from numbamm.models.spaces.parameters import Values
from numbamm.optimize.differences import hessian, jacobian

#: Differences for standard errors, in standard errors and as a share of θ: of objective, gradient.
HESSIAN_STEP, GRADIENT_STEP = 0.02, 0.002
#: A combination of coefficients whose standard error, in units of a link without bounds, is more
#: in some row says nothing: responses are separated.
UNKNOWN = 50.0
#: Eigenvalues below this share of the largest are zero, to the differences' rounding.
FLAT = 1e-5


def first_curvature(model, at: Values, steps, weights) -> np.ndarray:
    """About the second derivatives of a generalized model's deviance where a search begins.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        With the modes at these parameters.
    at : Values
        In scaled coordinates.
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


def newton_step(slopes, curvature) -> tuple[float, float, float, bool]:
    """What a Newton step from here would do.

    Parameters
    ----------
    slopes : ndarray, shape (n,)
    curvature : ndarray, shape (n, n)

    Returns
    -------
    largest : float
        The largest slope along a principal direction, over the root of the curvature there.
    gain : float
        By how much the step would lower the objective.
    condition : float
        Ratio of the largest and the smallest eigenvalue, for a diagonal of ones; infinite where
        the curvature is not positive definite.
    falls : bool
        Whether it is negative in some direction.

    All are NaN, and the last is False, where a number is.
    """
    if not len(slopes):
        return 0.0, 0.0, 1.0, False
    if not (np.isfinite(slopes).all() and np.isfinite(curvature).all()):
        return np.nan, np.nan, np.nan, False
    size = np.sqrt(np.where(np.diag(curvature) > 0, np.diag(curvature), 1.0))
    values, vectors = np.linalg.eigh(curvature / np.outer(size, size))
    flat = FLAT * np.abs(values).max()
    rising = values > flat
    along = (vectors.T @ (slopes / size))[rising] / np.sqrt(values[rising])
    condition = float(values[-1] / values[0]) if rising.all() else np.inf
    gain = float(along @ along) / 2
    return float(np.abs(along).max(initial=0.0)), gain, condition, bool((values < -flat).any())


def hessian_covariance(model, gamma_cov) -> np.ndarray | None:
    """Covariance of γ by the Hessian in all parameters, which counts what is not known of θ.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        After a full fit.
    gamma_cov : ndarray, shape (rank, rank)
        The covariance that takes θ as known. It sets the steps, and stands in where the Hessian
        is not positive definite, as at singular fits. The combinations of coefficients of which
        it says that responses are separated along them stay as they are: differences over steps
        of such a size are those of quite other fits.

    Returns
    -------
    ndarray, shape (rank, rank), or None
        None where the objective cannot be computed all around the estimates.
    """
    rank, ntheta = model.feterm.rank, len(model.theta)
    root, known = _principal(model, gamma_cov)
    parameters = model.parameters_of(model.optsum.final)
    space = model.space_of(parameters, model.estimates.nagq, root=root)
    x = space.to_scaled(model.optsum.final)
    scale = np.full(len(x), LOG_SCALE)
    scale[:rank] = 1.0
    scale[-ntheta:] = np.maximum(np.abs(x[-ntheta:]), 0.1)
    free = np.concatenate([np.flatnonzero(known), np.arange(rank, len(x))])

    def at(part):
        whole = x.copy()
        whole[free] = part
        return whole

    with blas_threads():
        if space.gradient is not None:
            step = GRADIENT_STEP * scale[free]
            curvature = jacobian(lambda part: space.gradient(at(part))[1][free], x[free], step) / 2
        else:
            step = HESSIAN_STEP * scale[free]
            curvature = hessian(lambda part: space.objective(at(part)), x[free], step) / 2
    if not np.isfinite(curvature).all():  # of which cholesky would make nothing but more NaN
        return None
    try:
        np.linalg.cholesky(curvature)
    except np.linalg.LinAlgError:
        return gamma_cov
    cov, n = np.eye(rank), int(known.sum())
    cov[np.ix_(known, known)] = np.linalg.inv(curvature)[:n, :n]
    return root @ cov @ root.T


def _principal(model, gamma_cov) -> tuple[np.ndarray, np.ndarray]:
    """A root of γ's covariance, and which of its columns the responses tell something about."""
    unit = np.inf if model.link_record.unit is None else model.link_record.unit
    root = np.linalg.cholesky(gamma_cov)
    # A row tells at least its own information about its η.
    if 1.0 <= (UNKNOWN * unit) ** 2 * model._modes.working_weights.min():
        return root, np.ones(len(root), dtype=bool)
    values, vectors = np.linalg.eigh(gamma_cov)
    root = vectors * np.sqrt(values)
    return root, np.abs(model._basis @ root).max(axis=0) <= UNKNOWN * unit
