"""`coefficient_covariance`: the covariance of β̂ at the estimates of a generalized model."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.errors import warn
from numbamm.models.generalized_estimates import values_at_estimates
from numbamm.models.spaces.generalized_space import LOG_SCALE
from numbamm.models.spaces.laplace import gamma_covariance
from numbamm.optimize.differences import hessian, jacobian

#: Differences for standard errors, in standard errors and as a share of θ: of objective, gradient.
HESSIAN_STEP, GRADIENT_STEP = 0.02, 0.002
#: A combination of coefficients whose standard error, in units of a link without bounds, is more
#: in some row says nothing: responses are separated.
UNKNOWN = 50.0


def coefficient_covariance(model, quiet: bool) -> np.ndarray:
    """Covariance of the kept coefficients at the estimates; `quiet`: without a warning."""
    known = gamma_covariance(model._modes, values_at_estimates(model))
    cov = known if model._fast else hessian_covariance(model, known)
    if cov is None:
        cov = known
        if not quiet:
            warn(
                "the likelihood cannot be computed all around the estimates: standard errors "
                "take the random effects' variances as known, and are too small"
            )
    if not (quiet or (np.isfinite(cov).all() and (np.diag(cov) > 0).all())):
        warn(
            f"there are no standard errors: the information at the estimates is not positive "
            f"definite; {model._remedy}"
        )
    to_beta = model.feterm.to_basis
    return to_beta @ cov @ to_beta.T


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
    flat = [rank + place for place in model.flat_parts]  # along which nothing changes
    free = np.concatenate([np.flatnonzero(known), np.setdiff1d(np.arange(rank, len(x)), flat)])
    free = free.astype(np.int64)

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
    inverse = np.linalg.inv(curvature)
    cov[np.ix_(known, known)] = inverse[:n, :n]
    if parameters.psi is not None:
        _keep_parts(model, root[:, known], inverse, n, len(parameters.psi))
    return root @ cov @ root.T


def _keep_parts(model, root, inverse, n: int, k: int) -> None:
    """Keep the covariance of β̂ and ψ̂ together, in the users' coordinates."""
    rank, flat = model.feterm.rank, list(model.flat_parts)
    change = np.zeros((rank + k, n + k))
    change[:rank, :n] = model.feterm.to_basis @ root
    change[rank:, n:] = model.part_lines.to_user
    known = np.setdiff1d(np.arange(n + k), [n + place for place in flat])
    cov = change[:, known] @ inverse[: len(known), : len(known)] @ change[:, known].T
    cov[[rank + place for place in flat]] = np.nan
    cov[:, [rank + place for place in flat]] = np.nan
    model.estimates.part_covariance = cov


def _principal(model, gamma_cov) -> tuple[np.ndarray, np.ndarray]:
    """A root of γ's covariance, and which of its columns the responses tell something about."""
    root, unit = np.linalg.cholesky(gamma_cov), model.link_record.unit
    # A row tells at least its own information about its η.
    if unit is None or 1.0 <= (UNKNOWN * unit) ** 2 * model._modes.working_weights.min():
        return root, np.ones(len(root), dtype=bool)
    values, vectors = np.linalg.eigh(gamma_cov)
    root = vectors * np.sqrt(values)
    return root, np.abs(model._basis @ root).max(axis=0) <= UNKNOWN * unit
