"""Approximate curvature of the deviance in θ, which scales the start of a gradient search."""

from __future__ import annotations

import numpy as np


def theta_curvatures(terms, theta, weights) -> np.ndarray:
    """`theta_curvature` of all terms, shape (number of θ,); at least 1, to bound the first step."""
    parts, start = [], 0
    for term in terms:
        stop = start + term.structure.size
        with np.errstate(over="ignore", invalid="ignore"):
            parts.append(theta_curvature(term, theta[start:stop], weights))
        start = stop
    curvatures = np.concatenate(parts)
    return np.where(np.isfinite(curvatures), np.maximum(curvatures, 1.0), 1.0)


def theta_curvature(term, theta, weights) -> np.ndarray:
    """Expected second derivatives of -2 log-likelihood in a term's θ, with the others ignored.

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
        Not negative. 0 where λ = 0, since λ is a factor of both terms; NaN where weights overflow.
        Where a θ determines several entries of λ, their mixed derivatives are ignored.
    """
    p, lam = term.p, term.structure.matrix(theta)
    C = np.empty((term.nlevels, p, p))
    for a in range(p):
        for b in range(a + 1):
            products = weights * term.z[a] * term.z[b]
            C[:, a, b] = C[:, b, a] = np.bincount(term.refs, products, term.nlevels)
    if not np.isfinite(C).all():
        return np.full(len(theta), np.nan)
    if p == 1:  # the same without matrices: both products are (λS)²
        S = C.ravel() / (1 + lam[0, 0] ** 2 * C.ravel())
        return 4 * lam[0] ** 2 * (S @ S)
    values, vectors = np.linalg.eigh(
        lam.T @ C @ lam
    )  # I is added to the eigenvalues: large matrices plus I may round to singular
    root = C @ lam @ vectors / np.sqrt(1 + np.maximum(values, 0.0))[:, None, :]
    S = C - root @ root.transpose(0, 2, 1)
    across = lam.T @ S
    both = across @ lam
    row, column = np.divmod(term.structure.entries, p)
    products = S[:, row, row] * both[:, column, column]
    by_entry = 2 * (across[:, column, row] ** 2 + products).sum(axis=0)
    if term.structure.is_free:
        return by_entry
    return by_entry @ term.structure.jacobian(theta) ** 2
