"""Quadratic forms in Ω⁻¹ at a factor: leverages of rows, conditional variances of effects."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from numbamm.blocks import solve
from numbamm.blocks.layout import LAMBDA, NHEAD, NLEVEL, NTERM, NX, ORDER, TAIL, P


def leverages(layout, work, refs, z, xy) -> np.ndarray:
    """Diagonal of the hat matrix.

    Parameters
    ----------
    layout : Layout
    work : ndarray
        The workspace, as `cholesky.factorize` left it.
    refs, z, xy
        The rows, as for `crossprod.crossprod`.

    Returns
    -------
    ndarray, shape (n,)
    """
    m = layout.table[0, ORDER]
    return _forms(layout, work, _tail_variance(layout, work, m - 1), refs, z, xy)


def conditional_variances(layout, work, refs) -> list[np.ndarray]:
    """Λ (L_Z L_Z')⁻¹ Λ' block by block: variances of b given y, where β, θ and σ = 1 are known.

    Parameters
    ----------
    layout, work, refs
        As for `leverages`.

    Returns
    -------
    list of ndarray, shape (levels, p, p)
        Terms as the caller of `build_layout` gave them.
    """
    table = layout.table
    m, nx = table[0, ORDER], table[0, NX]
    V = _tail_variance(layout, work, m - 1 - nx)
    parts: list = [None] * layout.nterm
    column = 0
    for k, given in enumerate(layout.order):
        p, nlevel = table[1 + k, P], table[1 + k, NLEVEL]
        # A row of the data at each level knows the levels of other terms in which it is nested.
        rows = np.unique(refs[k], return_index=True)[1]
        out = np.empty((nlevel, p, p))

        def form(direction, rows=rows, columns=slice(column, column + p)):
            z = np.zeros((len(rows), int(table[1 : 1 + layout.nterm, P].sum())))
            z[:, columns] = direction
            at = np.ascontiguousarray(refs[:, rows])
            return _forms(layout, work, V, at, z, np.zeros((len(rows), nx + 1)))

        unit = np.eye(p)
        for a in range(p):
            out[:, a, a] = form(unit[a])
        for a in range(p):
            for b in range(a):  # by polarisation
                both = form(unit[a] + unit[b])
                out[:, a, b] = out[:, b, a] = (both - out[:, a, a] - out[:, b, b]) / 2
        parts[given] = out
        column += p
    return parts


def tail_block(layout, work, rows: slice) -> np.ndarray:
    """A diagonal block of L_T, without a copy of the rest."""
    table, m = layout.table, layout.table[0, ORDER]
    square = work[table[0, TAIL] : table[0, TAIL] + m * m].reshape(m, m)
    return np.tril(square[rows, rows].T)


def _forms(layout, work, V, refs, z, xy) -> np.ndarray:
    """Quadratic forms of rows; see `solve.leverage`."""
    out = np.empty(len(z))
    t, e = np.zeros(layout.table[0, ORDER]), np.zeros(z.shape[1])
    solve.leverage(refs, z, xy, layout.table, layout.index, work, V, t, e, out)
    return out


def _tail_variance(layout, work, order: int) -> np.ndarray:
    """Λ (L L')⁻¹ Λ' of the first rows of the tail, zero elsewhere; shape (m, m)."""
    m = layout.table[0, ORDER]
    V = np.zeros((m, m))
    if order > 0:
        lower, _ = lapack.dpotri(tail_block(layout, work, slice(order)), lower=1)
        inverse = np.tril(lower) + np.tril(lower, -1).T
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
