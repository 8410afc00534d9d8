"""Quadratic forms in Ω⁻¹ at a factor: variances and leverages of rows, variances of effects."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from numbamm.blocks import solve
from numbamm.blocks.layout import COLUMN, LAMBDA, NHEAD, NLEVEL, NTERM, NX, ORDER, TAIL, P

#: Number of rows that are processed at once.
BATCH = 2**16


def row_variances(layout, work, terms, x, cov=None) -> np.ndarray:
    """Variances of x'γ̂ + z'b̂ - z'b where θ and σ = 1 are known: a'Ω⁻¹a with a = (Λ'z, x).

    Parameters
    ----------
    layout : Layout
    work : ndarray
        The workspace, as `cholesky.factorize` left it.
    terms : list of (refs, z)
        Levels, shape (n,), -1 for none, and columns, shape (p, n), of the rows; terms as the
        caller of `build_layout` gave them.
    x : ndarray, shape (n, nx)
        Columns of X.
    cov : ndarray, shape (nx, nx), optional
        Covariance of γ̂; that which follows from Ω, if not given.

    Returns
    -------
    ndarray, shape (n,)
    """
    V = _tail_variance(layout, work, layout.table[0, ORDER] - 1, cov)
    terms, out = [terms[k] for k in layout.order], np.empty(len(x))
    for start in range(0, len(x), BATCH):
        rows = slice(start, start + BATCH)
        refs = np.stack([refs[rows] for refs, _ in terms])
        z = np.concatenate([z[:, rows] for _, z in terms]).T.copy()
        out[rows] = _quadratic_forms(layout, work, V, refs, z, np.ascontiguousarray(x[rows]))
    return out


def leverages(layout, work, refs, z, xy) -> np.ndarray:
    """Diagonal of the hat matrix.

    Parameters
    ----------
    layout, work
        As for `row_variances`.
    refs, z, xy
        The rows, as for `crossprod.crossprod`.

    Returns
    -------
    ndarray, shape (n,)
    """
    V = _tail_variance(layout, work, layout.table[0, ORDER] - 1)
    return _quadratic_forms(layout, work, V, refs, z, xy)


def conditional_variances(layout, work) -> list[np.ndarray]:
    """Λ (L_Z L_Z')⁻¹ Λ' block by block: variances of b given y, where β, θ and σ = 1 are known.

    Parameters
    ----------
    layout, work
        As for `row_variances`.

    Returns
    -------
    list of ndarray, shape (levels, p, p)
        In the order in which the caller of `build_layout` gave the terms.
    """
    table, nterm = layout.table, layout.nterm
    nx = table[0, NX]
    V = _tail_variance(layout, work, table[0, ORDER] - 1 - nx)
    parts: list = [None] * nterm
    for k, given in enumerate(layout.order):
        p, nlevel, column = table[1 + k, [P, NLEVEL, COLUMN]]
        refs = np.full((nterm, nlevel), -1, dtype=np.int32)
        refs[k] = np.arange(nlevel)
        z, x = np.zeros((nlevel, table[1 : 1 + nterm, P].sum())), np.zeros((nlevel, nx))

        def form(direction, refs=refs, z=z, x=x, columns=slice(column, column + p)):
            z[:, columns] = direction
            return _quadratic_forms(layout, work, V, refs, z, x)

        unit, out = np.eye(p), np.empty((nlevel, p, p))
        for a in range(p):
            out[:, a, a] = form(unit[a])
        for a in range(p):
            for b in range(a):  # by polarisation
                both = form(unit[a] + unit[b])
                out[:, a, b] = out[:, b, a] = (both - out[:, a, a] - out[:, b, b]) / 2
        parts[given] = out
    return parts


def chosen_parts(parts: list[np.ndarray], levels: dict) -> dict[int, np.ndarray]:
    """Of each term's blocks those of chosen levels; all of all terms, if there are none.

    Parameters
    ----------
    parts : list of ndarray, shape (levels, p, p)
    levels : dict of int to ndarray of int
        Positions of levels, by term.
    """
    chosen = levels or {k: slice(None) for k in range(len(parts))}
    return {k: parts[k][own] for k, own in chosen.items()}


def tail_block(layout, work, rows: slice) -> np.ndarray:
    """A diagonal block of L_T, without a copy of the rest."""
    table, m = layout.table, layout.table[0, ORDER]
    square = work[table[0, TAIL] : table[0, TAIL] + m * m].reshape(m, m)
    return np.tril(square[rows, rows].T)


def _quadratic_forms(layout, work, V, refs, z, x) -> np.ndarray:
    """Quadratic forms of rows; see `solve.quadratic_forms`."""
    table, out = layout.table, np.empty(len(z))
    e, t = np.zeros(table[1 : 1 + layout.nhead, [P, NLEVEL]].prod(axis=1).sum()), np.zeros(len(V))
    solve.quadratic_forms(refs, z, x, table, layout.index, work, V, e, t, out)
    return out


def _tail_variance(layout, work, order: int, cov=None) -> np.ndarray:
    """Λ (L L')⁻¹ Λ' of the first rows of the tail, zero elsewhere; shape (m, m).

    If `cov` is given, it replaces the block of X, and the other blocks change accordingly.
    """
    m = layout.table[0, ORDER]
    V = np.zeros((m, m))
    if order > 0:
        lower, _ = lapack.dpotri(tail_block(layout, work, slice(order)), lower=1)
        inverse = np.tril(lower) + np.tril(lower, -1).T
        if cov is not None:
            W = inverse[order - len(cov) :]
            information = np.linalg.inv(W[:, order - len(cov) :])
            inverse += W.T @ (information @ cov @ information - information) @ W
        lam = _tail_lambda(layout, work)[:order, :order]
        V[:order, :order] = lam @ (lam @ inverse).T
    return V


def _tail_lambda(layout, work) -> sp.csr_array:
    """Λ of the tail's Z rows, with ones for X, as a sparse matrix of order m - 1."""
    table, blocks = layout.table, []
    for row in table[1 + table[0, NHEAD] : 1 + table[0, NTERM]]:
        lam = work[row[LAMBDA] : row[LAMBDA] + row[P] ** 2].reshape(row[P], row[P])
        blocks.append(sp.kron(sp.eye_array(row[NLEVEL]), lam))
    return sp.csr_array(sp.block_diag([*blocks, sp.eye_array(table[0, NX])]))
