"""The covariance of the coefficients of a cumulative link mixed model: observed information."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.errors import warn
from numbamm.models.coefficient_covariance import GRADIENT_STEP, HESSIAN_STEP
from numbamm.models.ordinal.ordinal_warnings import is_flat
from numbamm.models.spaces.parameters import Values
from numbamm.optimize.differences import hessian, jacobian


def root_of_covariance(modes, at: Values) -> np.ndarray:
    """A root of the coefficients' covariance at known θ, in fitted columns, at the last mode.

    Where the information is not positive definite, as far from a maximum, by its absolute value.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # rows without curvature
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
    at known θ. The combinations that separate categories keep what the information says at known
    θ: differences over steps of their size are those of quite other fits.
    """
    _, at = model.values_at_estimates()
    if model._unbounded:
        root, flat = _principal(model, at)
    else:
        root, flat = root_of_covariance(model._modes, at), []
    space = model.space_of(model._searched[False], model.estimates.nagq, root=root)
    x, size = space.to_scaled(model.optsum.final), len(root)
    scale = np.ones(len(x))
    scale[size:] = np.maximum(np.abs(x[size:]), 0.1)
    free = np.setdiff1d(np.arange(len(x)), flat).astype(np.int64)

    def whole(part):
        out = x.copy()
        out[free] = part
        return out

    with blas_threads():
        if space.gradient is not None:
            step = GRADIENT_STEP * scale[free]
            slopes = lambda part: space.gradient(whole(part))[1][free]  # noqa: E731
            curvature = jacobian(slopes, x[free], step) / 2
        else:
            step = HESSIAN_STEP * scale[free]
            curvature = hessian(lambda part: space.objective(whole(part)), x[free], step) / 2
    cov, known = np.eye(len(x)), _inverse(curvature)
    if known is not None:
        cov[np.ix_(free, free)] = known
    else:
        if not (quiet or model.is_singular()):
            warn(
                "the Hessian of the objective is not positive definite at the estimates: standard "
                "errors take the random effects' variances as known, and are too small"
            )
    root = model.columns.to_user @ root
    return root @ cov[:size, :size] @ root.T


def _principal(model, at) -> tuple[np.ndarray, np.ndarray]:
    """A root of the covariance at known θ along principal axes, and which of them are flat."""
    values, vectors = np.linalg.eigh(model._modes.information(at.theta, at.beta))
    flat = np.flatnonzero(is_flat(model, values))
    return vectors / np.sqrt(np.maximum(np.abs(values), 1e-14 * np.abs(values).max())), flat


def _inverse(curvature) -> np.ndarray | None:
    """The inverse; None if the matrix is not positive definite."""
    if not np.isfinite(curvature).all():
        return None
    try:
        half = np.linalg.inv(np.linalg.cholesky(curvature))
    except np.linalg.LinAlgError:
        return None
    return half.T @ half
