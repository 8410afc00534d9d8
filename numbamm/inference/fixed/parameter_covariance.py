"""Covariance of the estimated covariance parameters, by expected or observed information.

The parameters are those of `response_covariance`, in which V is linear.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numbamm.errors import FitError
from numbamm.inference.fixed.response_covariance import Directions

#: A variance of zero counts as known, one of at least this many standard errors as estimated.
#: In between, the weight changes smoothly.
FREE = 0.1
#: Standard deviations in columns of size one, and distances of partial autocorrelations from
#: their bounds (as cosines), below which other parameters of a structure have no effect.
KNOWN = 1e-3
#: Eigenvalues of the Hessian scaled by the information count as negative below this.
NEGATIVE = -1e-6
#: Smallest share of a direction's information that is not shared with other directions or the
#: fixed effects.
UNKNOWN = 1e-12
#: Added to the Hessian's eigenvalues, so that its inverse is finite where V does not change.
RIDGE = 1e-13

#: What is said where there are no degrees of freedom.
NO_MINIMUM = (
    "the Hessian is not positive definite at the estimates: the fit is not at a minimum; "
    'try another optimizer, or ddf="wald"'
)
AT_BOUND = (
    "the Hessian is not positive definite at the estimates, where {}: standard errors of "
    'covariance parameters do not exist at a bound; take ddf="kenward-roger", which uses the '
    'expected information, ddf="wald", or a structure with fewer parameters'
)
LOST = (
    "the precision of the covariance parameters is lost in rounding errors, since the "
    "variances of the random effects and of the residuals differ by too much: take "
    'ddf="wald"'
)
CONFOUNDED = (
    "the restricted likelihood does not depend on a variance of the random effects, since "
    "the fixed effects have a coefficient for each level: leave out one of the two, or "
    'take ddf="wald"'
)


def by_expected(directions: Directions) -> np.ndarray:
    """2 E[H]⁻¹ for the Hessian H of -2 log-likelihood, shape (directions, directions).

    Raises
    ------
    FitError
        The likelihood does not depend on a parameter of the covariance.
    """
    _refuse_unknown(directions)
    size = np.sqrt(np.diag(directions.expected))
    return 2 * np.linalg.inv(directions.expected / np.outer(size, size)) / np.outer(size, size)


def by_observed(directions: Directions, at_bounds: Sequence[str] = ()) -> np.ndarray:
    """2 H⁻¹ for the Hessian H of -2 log-likelihood, shape (directions, directions).

    If Γ = λλ' is singular, its estimate is on the boundary. Then only changes of Γ that keep its
    rank count, and variances of zero count as known. For a variance close to zero, information is
    added that grows without bound as the variance goes to zero, so that the result is continuous.
    From `FREE` standard errors on, no information is added.

    Parameters
    ----------
    directions : Directions
    at_bounds : sequence of str
        Parameters at a bound, in words, for messages.

    Raises
    ------
    FitError
        H is not positive definite, so that the fit is not at a minimum; or the restricted
        likelihood does not depend on a parameter of the covariance.
    """
    _refuse_unknown(directions)
    covariance, is_minimum = covariances(directions)
    if not is_minimum:
        raise FitError(AT_BOUND.format("; ".join(at_bounds)) if at_bounds else NO_MINIMUM)
    return covariance


def covariances(directions) -> tuple[np.ndarray, np.ndarray]:
    """`by_observed` of one response or many, and whether each is at a minimum.

    Parameters
    ----------
    directions : Directions, or with one more axis, the first, ManyDirections
    """
    changes, curvature, added = _by_rank(directions)
    first = len(directions.combinations) - added.shape[-1]  # log σ², if it is a parameter, and φ
    shape = (*changes.shape[:-2], *directions.coordinates.shape)
    transform = np.empty(shape)
    transform[..., :first] = directions.coordinates[:, :first]
    transform[..., first:] = directions.coordinates[:, first:] @ changes
    across = np.swapaxes(transform, -1, -2)
    hessian = across @ directions.observed @ transform
    hessian[..., first:, first:] += curvature + _diagonal_matrix(added)
    hessian[..., :first, :first] += directions.bend
    size = np.einsum("...ij,...ij->...j", transform, directions.expected @ transform)
    size[..., first:] += np.abs(np.diagonal(curvature, axis1=-2, axis2=-1)) + added
    size[..., :first] += np.abs(np.diagonal(directions.bend * np.ones((first, first))))
    size = np.sqrt(np.where(size > 0, size, 1.0))
    hessian /= size[..., :, None] * size[..., None, :]
    transform /= size[..., None, :]
    if np.ndim(directions.bend) and directions.redundant:  # known up to errors of differences
        kept = np.linalg.svd(transform)[2][: len(transform)].T
        hessian, transform = kept.T @ hessian @ kept, transform @ kept
    values, vectors = np.linalg.eigh(hessian)
    root = np.sqrt(np.maximum(values, 0.0) + RIDGE)
    half = transform @ (vectors / root[..., None, :])
    return 2 * half @ np.swapaxes(half, -1, -2), np.all(values >= NEGATIVE, axis=-1)


def _diagonal_matrix(values) -> np.ndarray:
    """Matrices with these values on their diagonals."""
    return values[..., None] * np.eye(values.shape[-1])


def doubts(directions) -> tuple[np.ndarray, np.ndarray]:
    """Whether rounding errors, and whether the fixed effects, hide a direction of V.

    Of one response or of many, as in `covariances`.
    """
    size = np.sqrt(np.maximum(_diagonal(directions.traces), np.finfo(float).tiny))
    unit = size[..., :, None] * size[..., None, :]
    lost = np.any(np.linalg.eigvalsh(directions.traces / unit) < UNKNOWN, axis=-1)
    if not directions.reml:
        return lost, np.zeros_like(lost)
    return lost, np.any(np.linalg.eigvalsh(directions.expected / unit) < UNKNOWN, axis=-1)


def _diagonal(matrices) -> np.ndarray:
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def _refuse_unknown(directions: Directions) -> None:
    """Raise a `FitError` if rounding errors, or the fixed effects, hide a direction of V."""
    lost, confounded = doubts(directions)
    if lost:
        raise FitError(LOST)
    if confounded:
        raise FitError(CONFOUNDED)


def _by_rank(directions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates of all Γ in which changes that keep the rank are separate from others.

    If Γ = LL' and L changes by A, then Γ changes to Γ + LA' + AL' + AA' (see `Structure.lifts`).
    There is one A
    for each principal axis of Γ and one for each pair of axes, of unit length and without a
    rotation. For the axes i and j with variances γ, Γ changes by √(γ_i + γ_j) to first order, and
    not at all if both variances are zero.

    Returns
    -------
    changes : ndarray, shape (..., entries, entries)
        ∂Γ by each coordinate.
    curvature : ndarray, shape (..., entries, entries)
        The part of the Hessian from the second derivative AA'; not zero if the likelihood has a
        slope.
    added : ndarray, shape (..., entries)
        Information that is added for variances close to zero.
    """
    total, start = sum(t.structure.size for t in directions.terms), 0
    many = directions.traces.shape[:-2]
    changes, curvature = np.zeros((*many, total, total)), np.zeros((*many, total, total))
    added = np.zeros((*many, total))
    for term, lam, slope, size, rows, nlevels in zip(
        directions.terms,
        directions.lambdas,
        directions.slopes,
        directions.sizes,
        directions.rows,
        directions.nlevels,
        strict=True,
    ):
        of_columns, size = size, np.sqrt(rows / nlevels)[..., None] * np.where(size > 0, size, 1.0)
        nlevels, theta = np.asarray(nlevels)[..., None], term.theta
        for columns, structure in term.structure.parts:
            part, here = slice(start, start + structure.size), np.ix_(columns, columns)
            own, theta = theta[: structure.size], theta[structure.size :]
            start = part.stop
            bend = slope[(..., *here)]
            if not structure.is_linear:  # the directions are those of θ
                estimated = ~structure.without_effect(own, of_columns[columns], KNOWN)
                changes[..., part, part] = np.diag(estimated.astype(float))
                bend = structure.bend(own, bend) * np.outer(estimated, estimated)
                curvature[..., part, part] = bend
                continue
            lifts = structure.lifts(lam[(..., *here)], size[..., columns])
            L, A, variance = (np.stack(x) for x in zip(*lifts, strict=True))  # coordinates first
            change = A @ np.swapaxes(L, -1, -2)
            change += np.swapaxes(change, -1, -2)
            by_each = structure.coordinates(change)
            changes[..., part, part] = np.moveaxis(by_each, 0, -1)
            curvature[..., part, part] = 2 * np.einsum(
                "...ab,s...ac,t...bc->...st", bend, A, A, optimize=True
            )
            least = FREE * np.sqrt(2 / nlevels)
            x = np.clip(np.moveaxis(variance, 0, -1) / least, 1e-9, 1.0)
            free = x**2 * (3 - 2 * x)  # from 0, known, to 1, estimated
            added[..., part] = 4 * nlevels * least * x * (1 / free - 1)
    return changes, curvature, added
