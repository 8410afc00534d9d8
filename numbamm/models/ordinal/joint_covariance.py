"""The covariance of the coefficients of a cumulative link mixed model: observed information."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.errors import warn
from numbamm.models.coefficient_covariance import GRADIENT_STEP, HESSIAN_STEP
from numbamm.models.spaces.parameters import Values
from numbamm.optimize.differences import hessian, jacobian


def root_of_covariance(modes, at: Values) -> np.ndarray:
    """A root of the coefficients' covariance at known θ, in fitted columns, at the last mode.

    Where the information is not positive definite, as far from a maximum, by its absolute value.
    """
    information = modes.information(at.theta, at.beta)
    size = np.sqrt(np.maximum(np.abs(np.diag(information)), np.finfo(np.float64).tiny))
    scaled = information / np.outer(size, size)
    if not np.isfinite(scaled).all():
        return np.eye(len(size))
    values, vectors = np.linalg.eigh(scaled)
    values = np.maximum(np.abs(values), 1e-12 * np.abs(values).max())
    root = vectors / np.sqrt(values) / size[:, None]
    return np.linalg.cholesky(root @ root.T)


def joint_covariance(model, quiet: bool) -> np.ndarray:
    """Covariance of all coefficients of a fitted model, in the user's columns.

    The inverse of the Hessian of -log-likelihood in coefficients and θ, by differences of the exact
    gradient; or, where that is not positive definite, as at some singular fits, of the information
    at known θ.
    """
    _, at = model.values_at_estimates()
    root = root_of_covariance(model._modes, at)
    space = model.space_of(model._searched[False], model.estimates.nagq, root=root)
    x, size = space.to_scaled(model.optsum.final), len(root)
    scale = np.ones(len(x))
    scale[size:] = np.maximum(np.abs(x[size:]), 0.1)
    with blas_threads():
        if space.gradient is not None:
            step = GRADIENT_STEP * scale
            curvature = jacobian(lambda z: space.gradient(z)[1], x, step) / 2
        else:
            curvature = hessian(space.objective, x, HESSIAN_STEP * scale) / 2
    cov = _inverse(curvature)
    if cov is None:
        cov = np.eye(size)
        if not (quiet or model.is_singular()):
            warn(
                "the likelihood does not curve upwards all around the estimates: standard errors "
                "take the random effects' variances as known, and are too small"
            )
    root = model.columns.to_user @ root
    return root @ cov[:size, :size] @ root.T


def _inverse(curvature) -> np.ndarray | None:
    """The inverse; None if the matrix is not positive definite."""
    if not np.isfinite(curvature).all():
        return None
    try:
        half = np.linalg.inv(np.linalg.cholesky(curvature))
    except np.linalg.LinAlgError:
        return None
    return half.T @ half
