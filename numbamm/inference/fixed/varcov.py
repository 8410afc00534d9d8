"""Covariance of the estimated covariance parameters: by expected or by observed information.

Both are for the parameters of `covariance`, in which V is linear.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from numbamm.errors import FitError
from numbamm.inference.fixed.covariance import Directions

#: A variance counts as known to be zero when it is zero, as estimated freely from this many
#: standard errors on, and in between by part.
FREE = 0.1
#: Eigenvalues of the Hessian, in units of the information, that count as negative.
NEGATIVE = -1e-6
#: Share of a direction's information that other directions, and the fixed effects, must leave.
UNKNOWN = 1e-12
#: What keeps the inverse of the Hessian finite along parameters that do not move V.
RIDGE = 1e-13


def by_expected(moving: Directions) -> np.ndarray:
    """2 E[H]⁻¹, of the Hessian H of -2 log-likelihood; shape (directions, directions).

    Raises
    ------
    FitError
        As `by_observed`, but for minima.
    """
    _refuse_unknown(moving)
    size = np.sqrt(np.diag(moving.expected))
    return 2 * np.linalg.inv(moving.expected / np.outer(size, size)) / np.outer(size, size)


def by_observed(moving: Directions) -> np.ndarray:
    """2 H⁻¹, H the Hessian of -2 log-likelihood; shape (directions, directions).

    Where Γ = λλ' is singular, its estimate is on the boundary. It is then free to move along the
    matrices of its rank, as λ can, and the variances that are zero count as known. Where a
    variance comes close to zero, its information grows without bound in the same way: nothing
    jumps when it reaches zero. From `FREE` standard errors on, it is the Hessian's alone.

    Raises
    ------
    FitError
        H is not positive definite, so that the fit is at no minimum; or the restricted likelihood
        does not depend on a parameter of the covariance at all.
    """
    _refuse_unknown(moving)
    moves, curvature, held = _by_rank(moving)
    own = len(moving.combinations) - len(held)  # log σ²
    turn = moving.coordinates @ np.pad(moves, ((own, 0), (own, 0)))
    turn[:, :own] = moving.coordinates[:, :own]
    hessian = turn.T @ moving.observed @ turn
    hessian[own:, own:] += curvature + np.diag(held)
    size = np.diag(turn.T @ moving.expected @ turn).copy()
    size[own:] += np.abs(np.diag(curvature)) + held
    size = np.sqrt(np.where(size > 0, size, 1.0))
    values, vectors = np.linalg.eigh(hessian / np.outer(size, size))
    if len(values) and values[0] < NEGATIVE:
        raise FitError(
            "the Hessian is not positive definite at the estimates: the fit is not at a minimum; "
            'try another optimizer, or ddf="wald"'
        )
    half = turn @ (vectors / size[:, None]) / np.sqrt(np.maximum(values, 0.0) + RIDGE)
    return 2 * half @ half.T


def _refuse_unknown(moving: Directions) -> None:
    """Raise a `FitError` where rounding, or the fixed effects, hide some direction of V."""
    size = np.sqrt(np.maximum(np.diag(moving.traces), np.finfo(float).tiny))
    unit = np.outer(size, size)
    if (np.linalg.eigvalsh(moving.traces / unit) < UNKNOWN).any():
        raise FitError(
            "rounding hides how well the covariance parameters are known, since the variances of "
            'the random effects and of the residuals differ by too much: take ddf="wald"'
        )
    if moving.reml and (np.linalg.eigvalsh(moving.expected / unit) < UNKNOWN).any():
        raise FitError(
            "a variance of random effects has no influence on the restricted likelihood, since "
            "the fixed effects tell all levels apart: leave out the one or the other, or take "
            'ddf="wald"'
        )


def _by_rank(moving: Directions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The entries of all Γ by coordinates in which those of a lower rank are told apart.

    A factor L with LL' = Γ moves by A to Γ + LA' + AL' + AA'. In the axes of Γ, of variances γ,
    let A have one unit for an axis, or for a pair of them, shared such that A turns nothing. Γ
    moves by √(γ_i + γ_j), and not at all where both variances are zero.

    Returns
    -------
    moves : ndarray, shape (entries, entries)
        ∂Γ by each coordinate.
    curvature : ndarray, shape (entries, entries)
        What the second derivative AA' adds to the Hessian, where the likelihood has a slope.
    held : ndarray, shape (entries,)
        Information that the variances next to zero are given.
    """
    total, at = sum(len(t.inds) for t in moving.terms), 0
    moves, curvature, held = np.zeros((total, total)), np.zeros((total, total)), np.zeros(total)
    for term, slope, size in zip(moving.terms, moving.slopes, moving.sizes, strict=True):
        mine = slice(at, at + len(term.inds))
        at = mine.stop
        rows = len(term.refs) / term.nlevels
        size = np.sqrt(rows) * np.where(size > 0, size, 1.0)
        L, A, variance = (np.array(x) for x in zip(*_lifts(term, size), strict=True))
        moved = A @ L.transpose(0, 2, 1)
        moved = (moved + moved.transpose(0, 2, 1)).reshape(len(A), -1)
        moves[mine, mine] = moved[:, term.inds].T
        curvature[mine, mine] = 2 * np.einsum("ab,sac,tbc->st", slope, A, A, optimize=True)
        least = FREE * np.sqrt(2 / term.nlevels)
        x = np.clip(variance / least, 1e-9, 1.0)
        free = x**2 * (3 - 2 * x)  # the share of the variance that is uncertain: 0 to 1, smoothly
        held[mine] = 4 * term.nlevels * least * x * (1 / free - 1)
    return moves, curvature, held


def _lifts(term, size) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """The factor L, its move A, and the variance along it, for every coordinate of a term's Γ.

    Parameters
    ----------
    term : ReMat
    size : ndarray, shape (p,)
        Roots of the sum of squares of a column of Z, of one level.
    """
    for block in term.blocks:
        axes, root, _ = np.linalg.svd(size[block, None] * term.lambda_[np.ix_(block, block)])
        axes /= size[block, None]
        L = np.zeros((term.p, term.p))
        L[np.ix_(block, block)] = axes * root
        for i, j in zip(*np.tril_indices(len(block)), strict=True):
            norm = np.hypot(root[i], root[j])
            share = root[[j, i]] / norm if norm > 0 else np.full(2, np.sqrt(0.5))
            A = np.zeros((term.p, term.p))
            A[block, block[j]] = share[0] * axes[:, i]
            A[block, block[i]] = share[1] * axes[:, j] if i != j else axes[:, i]
            yield L, A, norm**2 / 2
