"""Covariance of the estimated covariance parameters, by expected or observed information.

The parameters are those of `response_covariance`, in which V is linear.
"""

from __future__ import annotations

import numpy as np

from numbamm.errors import FitError
from numbamm.inference.fixed.response_covariance import Directions

#: A variance of zero counts as known, one of at least this many standard errors as estimated.
#: In between, the weight changes smoothly.
FREE = 0.1
#: Eigenvalues of the Hessian scaled by the information count as negative below this.
NEGATIVE = -1e-6
#: Smallest share of a direction's information that is not shared with other directions or the
#: fixed effects.
UNKNOWN = 1e-12
#: Added to the Hessian's eigenvalues, so that its inverse is finite where V does not change.
RIDGE = 1e-13


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


def by_observed(directions: Directions) -> np.ndarray:
    """2 H⁻¹ for the Hessian H of -2 log-likelihood, shape (directions, directions).

    If Γ = λλ' is singular, its estimate is on the boundary. Then only changes of Γ that keep its
    rank count, and variances of zero count as known. For a variance close to zero, information is
    added that grows without bound as the variance goes to zero, so that the result is continuous.
    From `FREE` standard errors on, no information is added.

    Raises
    ------
    FitError
        H is not positive definite, so that the fit is not at a minimum; or the restricted
        likelihood does not depend on a parameter of the covariance.
    """
    _refuse_unknown(directions)
    changes, curvature, added = _by_rank(directions)
    first = len(directions.combinations) - len(added)  # 1 if log σ² is a parameter
    transform = directions.coordinates @ np.pad(changes, ((first, 0), (first, 0)))
    transform[:, :first] = directions.coordinates[:, :first]
    hessian = transform.T @ directions.observed @ transform
    hessian[first:, first:] += curvature + np.diag(added)
    size = np.diag(transform.T @ directions.expected @ transform).copy()
    size[first:] += np.abs(np.diag(curvature)) + added
    size = np.sqrt(np.where(size > 0, size, 1.0))
    values, vectors = np.linalg.eigh(hessian / np.outer(size, size))
    if len(values) and values[0] < NEGATIVE:
        raise FitError(
            "the Hessian is not positive definite at the estimates: the fit is not at a minimum; "
            'try another optimizer, or ddf="wald"'
        )
    half = transform @ (vectors / size[:, None]) / np.sqrt(np.maximum(values, 0.0) + RIDGE)
    return 2 * half @ half.T


def _refuse_unknown(directions: Directions) -> None:
    """Raise a `FitError` if rounding errors, or the fixed effects, hide a direction of V."""
    size = np.sqrt(np.maximum(np.diag(directions.traces), np.finfo(float).tiny))
    unit = np.outer(size, size)
    if (np.linalg.eigvalsh(directions.traces / unit) < UNKNOWN).any():
        raise FitError(
            "the precision of the covariance parameters is lost in rounding errors, since the "
            "variances of the random effects and of the residuals differ by too much: take "
            'ddf="wald"'
        )
    if directions.reml and (np.linalg.eigvalsh(directions.expected / unit) < UNKNOWN).any():
        raise FitError(
            "the restricted likelihood does not depend on a variance of the random effects, since "
            "the fixed effects have a coefficient for each level: leave out one of the two, or "
            'take ddf="wald"'
        )


def _by_rank(directions: Directions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates of all Γ in which changes that keep the rank are separate from others.

    If Γ = LL' and L changes by A, then Γ changes to Γ + LA' + AL' + AA' (see `Structure.lifts`).
    There is one A for each
    principal axis of Γ and one for each pair of axes, of unit length and without a rotation. For
    the axes i and j with variances γ, Γ changes by √(γ_i + γ_j) to first order, and not at all if
    both variances are zero.

    Returns
    -------
    changes : ndarray, shape (entries, entries)
        ∂Γ by each coordinate.
    curvature : ndarray, shape (entries, entries)
        The part of the Hessian from the second derivative AA'; not zero if the likelihood has a
        slope.
    added : ndarray, shape (entries,)
        Information that is added for variances close to zero.
    """
    total, start = sum(t.structure.size for t in directions.terms), 0
    changes, curvature = np.zeros((total, total)), np.zeros((total, total))
    added = np.zeros(total)
    for term, slope, size in zip(
        directions.terms, directions.slopes, directions.sizes, strict=True
    ):
        rows = len(term.refs) / term.nlevels
        size = np.sqrt(rows) * np.where(size > 0, size, 1.0)
        lam, theta = term.lambda_, term.theta
        for columns, structure in term.structure.parts:
            part, here = slice(start, start + structure.size), np.ix_(columns, columns)
            own, theta = theta[: structure.size], theta[structure.size :]
            start = part.stop
            if not structure.is_linear:  # the directions are those of θ
                changes[part, part] = np.eye(structure.size)
                curvature[part, part] = structure.bend(own, slope[here])
                continue
            lifts = structure.lifts(lam[here], size[columns])
            L, A, variance = (np.array(x) for x in zip(*lifts, strict=True))
            change = A @ L.transpose(0, 2, 1)
            change += change.transpose(0, 2, 1)
            changes[part, part] = structure.coordinates(change).T
            curvature[part, part] = 2 * np.einsum("ab,sac,tbc->st", slope[here], A, A)
            least = FREE * np.sqrt(2 / term.nlevels)
            x = np.clip(variance / least, 1e-9, 1.0)
            free = x**2 * (3 - 2 * x)  # from 0, known, to 1, estimated
            added[part] = 4 * term.nlevels * least * x * (1 / free - 1)
    return changes, curvature, added
