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
    free = np.eye(len(x))[:, np.concatenate([known, np.ones(len(x) - rank, dtype=bool)])]
    free, across = _without_flat(model, free, root, scale)
    size, none = free.T**2 @ scale, np.zeros(free.shape[1])

    def at(part):
        return x + free @ part

    with blas_threads():
        if space.gradient is not None:
            step = GRADIENT_STEP * size
            curvature = jacobian(lambda part: free.T @ space.gradient(at(part))[1], none, step) / 2
        else:
            step = HESSIAN_STEP * size
            curvature = hessian(lambda part: space.objective(at(part)), none, step) / 2
    if not np.isfinite(curvature).all():  # of which cholesky would make nothing but more NaN
        return None
    try:
        np.linalg.cholesky(curvature)
    except np.linalg.LinAlgError:
        return gamma_cov
    inverse = free @ np.linalg.inv(curvature) @ free.T
    inverse[:rank, :rank] += across[:rank] @ across[:rank].T
    inverse[np.flatnonzero(~known), np.flatnonzero(~known)] = 1.0
    cov = inverse[:rank, :rank]
    if parameters.psi is not None:
        _keep_parts(model, root, inverse, len(parameters.psi))
    return root @ cov @ root.T


def _without_flat(model, free, root, scale) -> tuple[np.ndarray, np.ndarray]:
    """Directions of which the Hessian is taken: all that are free, without flat ones.

    Returns
    -------
    free, across : ndarray
        Orthonormal columns, as combinations of all parameters; and the flat directions among γ.
    """
    flats, rank = model.flat_parts, model.feterm.rank
    if not flats:
        return free, np.zeros((len(scale), 0))
    directions = np.zeros((len(scale), len(flats)))
    user = np.array([flat.direction for flat in flats]).T
    end = len(user)
    directions[:rank] = np.linalg.solve(model.feterm.to_basis @ root, user[:rank])
    directions[rank:end] = np.linalg.solve(model.part_lines.to_user, user[rank:])
    left, sizes, _ = np.linalg.svd(free.T @ directions)
    count = int((sizes > 1e-9 * sizes.max(initial=0.0)).sum())
    across = free @ left[:, :count]
    return free @ left[:, count:], across


def _keep_parts(model, root, inverse, k: int) -> None:
    """Keep the covariance of β̂ and ψ̂ together, in the users' coordinates."""
    rank = model.feterm.rank
    change = np.zeros((rank + k, rank + k))
    change[:rank, :rank] = model.feterm.to_basis @ root
    change[rank:, rank:] = model.part_lines.to_user
    cov = change @ inverse[: rank + k, : rank + k] @ change.T
    flat = [rank + place for place in model.flat_places]
    cov[flat] = cov[:, flat] = np.nan
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
