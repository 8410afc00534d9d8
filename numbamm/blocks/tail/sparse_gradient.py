"""The gradient over a sparse tail: U = ΛSΛ' on the pattern of T, then N of the head's terms.

The formulas are those of `blocks.gradient`. S of the sparse part is the selected inverse plus the
share of the border, row by row (`selected_s`). Every entry that the head asks for is between two
rows that share one of its levels, and so in the pattern.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.cholesky import columns_left
from numbamm.blocks.gradient import (
    add_normal,
    gradient_of_normal,
    inner_product,
    k_and_d,
    store_u,
    times_nested_u,
)
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import FLAG, INDEX, INTEGERS, NOTHING, REALS, TABLE
from numbamm.blocks.lapack import LEFT, LOWER, dsymm
from numbamm.blocks.layout import (
    D0,
    DENSE,
    DIAG,
    FIRST_DENSE,
    GRADIENT,
    LAMBDA,
    ND,
    NHEAD,
    NLEVEL,
    NORMAL,
    NSPARSE,
    NTERM,
    ROW,
    ROWPTR,
    ROWS,
    SPARE,
    SPARSE,
    P,
)
from numbamm.blocks.tail.sparse_pattern import PATTERN
from numbamm.blocks.vectors import dot


@jit(takes=(PATTERN, REALS, INTEGERS, REALS, REALS, REALS), gives=NOTHING)
def selected_s(pattern, Z, where, QS, Q, S):
    """S = Ω_ss⁻¹ + Q S_dd Q' on the pattern.

    Parameters
    ----------
    pattern : SparsePattern
    Z : float64
        The selected inverse of Ω_ss; see `selected_inverse`.
    where : int64, shape (non-zeros,)
        Where the pattern's entries are in Z.
    QS, Q : float64, shape (order of the sparse part * nd,)
        Q S_dd, and Q = Ω_ss⁻¹Ω_sd, row by row.
    S : float64, shape (non-zeros,)
        Filled.
    """
    order = len(pattern.colptr) - 1
    nd = len(Q) // max(order, 1)
    for c in range(order):
        own = Q[c * nd : (c + 1) * nd]
        for t in range(pattern.colptr[c], pattern.colptr[c + 1]):
            r = pattern.rows[t]
            S[t] = Z[where[t]] + dot(QS[r * nd : (r + 1) * nd], own)


@jit(takes=(TABLE, REALS, PATTERN, REALS, REALS, REALS), gives=NOTHING, owns=True)
def tail_u(table, work, pattern, T, S, G):
    """Turn S into U on the pattern, and add its products with T to G of the sparse terms.

    Parameters
    ----------
    table, work, pattern
        λ is read from `work`.
    T, S : float64, shape (non-zeros,)
        S is overwritten with U.
    G : float64
        G of all terms, as λ is in `work`.
    """
    widest, first = 1, table[1, LAMBDA]
    for k in range(table[0, NTERM]):
        widest = max(widest, table[1 + k, P])
    scratch = np.empty((4, widest * widest))
    for k in range(table[0, NHEAD], table[0, FIRST_DENSE]):
        p, place = table[1 + k, P], table[1 + k, LAMBDA]
        lam = work[place : place + p * p]
        own = G[place - first : place - first + p * p]
        for level in range(table[1 + k, NLEVEL]):
            at = table[1 + k, ROW] + level * p
            _own_block(at, p, lam, pattern, T, S, own, scratch)
            q, i = p, k
            while q < pattern.colptr[at + 1] - pattern.colptr[at]:
                row = pattern.rows[pattern.colptr[at] + q]
                while row >= table[1 + i, ROW] + table[1 + i, P] * table[1 + i, NLEVEL]:
                    i += 1
                pi, place = table[1 + i, P], table[1 + i, LAMBDA]
                lam_i = work[place : place + pi * pi]
                G_i = G[place - first : place - first + pi * pi]
                _block_below(at, q, p, pi, lam, lam_i, pattern, T, S, own, G_i, scratch)
                q += pi


@jit
def _own_block(at, p, lam, pattern, T, S, G, scratch):
    """G += 2CλS and S := λSλ' for a level's own block."""
    C, full, product = scratch[0], scratch[1], scratch[2]
    for b in range(p):
        start = pattern.colptr[at + b]
        for a in range(b, p):
            C[a * p + b] = C[b * p + a] = T[start + a - b]
            full[a * p + b] = full[b * p + a] = S[start + a - b]
    _times(lam, full, p, p, p, product)  # λS
    for a in range(p):
        for b in range(p):
            total = 0.0
            for c in range(p):
                total += C[a * p + c] * product[c * p + b]
            G[a * p + b] += 2.0 * total
    _times_transposed(product, lam, p, p, full)
    for b in range(p):
        start = pattern.colptr[at + b]
        for a in range(b, p):
            S[start + a - b] = full[a * p + b]


@jit
def _block_below(at, q, p, pi, lam, lam_i, pattern, T, S, G, G_i, scratch):
    """The same for a block below, which stands for its mirror image, too."""
    if p == 1 and pi == 1:
        t = pattern.colptr[at] + q
        product = 2.0 * T[t] * S[t]
        G[0] += product * lam_i[0]
        G_i[0] += product * lam[0]
        S[t] *= lam_i[0] * lam[0]
        return
    C, here, left, right = scratch[0], scratch[1], scratch[2], scratch[3]
    for b in range(p):
        start = pattern.colptr[at + b] + q - b
        for a in range(pi):
            C[a * p + b], here[a * p + b] = T[start + a], S[start + a]
    _times(lam_i, here, pi, pi, p, left)  # λ_i S
    _times_transposed(here, lam, pi, p, right)  # Sλ'
    for a in range(p):
        for b in range(p):
            total = 0.0
            for c in range(pi):
                total += C[c * p + a] * left[c * p + b]
            G[a * p + b] += 2.0 * total
    for a in range(pi):
        for b in range(pi):
            total = 0.0
            for c in range(p):
                total += C[a * p + c] * right[b * p + c]
            G_i[a * pi + b] += 2.0 * total
    _times_transposed(left, lam, pi, p, here)
    for b in range(p):
        start = pattern.colptr[at + b] + q - b
        for a in range(pi):
            S[start + a] = here[a * p + b]


@jit
def _times(left, right, n, inner, m, out):
    """out = left right, row-major."""
    for a in range(n):
        for b in range(m):
            total = 0.0
            for c in range(inner):
                total += left[a * inner + c] * right[c * m + b]
            out[a * m + b] = total


@jit
def _times_transposed(left, lam, n, p, out):
    """out = left λ', row-major, for n rows."""
    for a in range(n):
        for b in range(p):
            total = 0.0
            for c in range(b + 1):
                total += left[a * p + c] * lam[b * p + c]
            out[a * p + b] = total


@jit(
    takes=(TABLE, INDEX, REALS, REALS, REALS, PATTERN, REALS, REALS, REALS, FLAG),
    gives=NOTHING,
    owns=True,
)
def head_gradient(table, index, A, C, work, pattern, U, border, corner, keep_u):
    """N and G of the head's terms, and U of all but the first, in `work`'s companion `C`.

    Parameters
    ----------
    table, index, A, work
        As `sparse_schur.eliminate` left them.
    C : float64
        The buffer ``adjoint`` of `blocks.gradient`, without the tail's regions.
    pattern : SparsePattern
    U, border, corner : float64
        U of the sparse part, of its rows in the border (column by column), and of the corner (the
        lower triangle, column-major).
    keep_u : bool
        Compute U of the first term, too.
    """
    for k in range(table[0, NHEAD] - 1, -1, -1):
        _head(k, table, index, A, C, work, pattern, U, border, corner, k > 0 or keep_u)


@jit
def _head(k, table, index, A, adjoint, work, pattern, U, border, corner, keep_u):
    nlevel, p, nd, nhead = table[1 + k, NLEVEL], table[1 + k, P], table[1 + k, ND], table[0, NHEAD]
    lam, dense = work[table[1 + k, LAMBDA] :], table[1 + k, DENSE]
    C = columns_left(k, table, A, work)
    dsymm(LEFT, LOWER, nd, p * nlevel, 1.0, corner, nd, C[dense:], nd, 0.0, adjoint[dense:], nd)
    if table[1 + k, NSPARSE] > 0:
        _times_u(k, table, index, C, adjoint, pattern, U, border)
    at = table[0, SPARE]
    scratch = adjoint[at : at + 5 * p * p]
    K, D, E = scratch[: p * p], scratch[p * p : 2 * p * p], scratch[2 * p * p : 3 * p * p]
    product = scratch[3 * p * p : 4 * p * p]
    at = table[0, NORMAL] + table[1 + k, LAMBDA]
    N = adjoint[at : at + p * p]
    N[:] = 0.0
    for level in range(nlevel):
        for i in range(k + 1, nhead):
            times_nested_u(k, i, level, table, index, C, adjoint)
        inner_product(k, level, table, index, C, adjoint, E)
        at = table[1 + k, DIAG] + level * p * p
        C_jj = C[at : at + p * p]
        k_and_d(C_jj, lam, work[at : at + p * p], p, K, D, product)
        add_normal(C_jj, D, E, p, N, product)
        if keep_u:
            store_u(k, level, table, index, work, adjoint, K, E, product)
    at = table[0, GRADIENT] + table[1 + k, LAMBDA]
    gradient_of_normal(N, lam, p, adjoint[at : at + p * p])


@jit(owns=True)
def _times_u(k, table, index, C, adjoint, pattern, U, border):
    """F = U C_Bj of the sparse rows of all levels, column by column of U; see `blocks.gradient`."""
    p, nd, order = table[1 + k, P], table[1 + k, ND], table[1 + k, D0]
    rowptr = index[table[1 + k, ROWPTR] : table[1 + k, ROWPTR] + table[1 + k, NLEVEL] + 1]
    rows = index[table[1 + k, ROWS] : table[1 + k, ROWS] + table[1 + k, NSPARSE]]
    size = table[1 + k, NSPARSE] * p
    sparse, F = (
        C[table[1 + k, SPARSE] : table[1 + k, SPARSE] + size],
        adjoint[table[1 + k, SPARSE] : table[1 + k, SPARSE] + size],
    )
    pointers, positions = (
        pattern.lists[pattern.starts[k, 0] :],
        pattern.lists[pattern.starts[k, 1] :],
    )
    levels = pattern.lists[pattern.starts[k, 2] :]
    F[:] = 0.0
    column = np.zeros(order)
    for j in range(order):
        if pointers[j] == pointers[j + 1]:
            continue
        for t in range(pattern.colptr[j], pattern.colptr[j + 1]):
            column[pattern.rows[t]] = U[t]
        below = border[j * nd : (j + 1) * nd]
        for t in range(pointers[j], pointers[j + 1]):
            s, level = positions[t], levels[t]
            stop = rowptr[level + 1]
            _both_halves(rows[s:stop], column, sparse[s * p : stop * p], F[s * p : stop * p], p)
            for c in range(p):
                at = table[1 + k, DENSE] + (level * p + c) * nd
                own, target = C[at : at + nd], adjoint[at : at + nd]
                factor = sparse[s * p + c]
                for r in range(nd):
                    target[r] += factor * below[r]
                F[s * p + c] += dot(below, own)
        for t in range(pattern.colptr[j], pattern.colptr[j + 1]):
            column[pattern.rows[t]] = 0.0


@jit
def _both_halves(here, column, values, F, p):
    """F += U values for the column of the first row, and for its mirror image, a row of U."""
    if p == 1:
        first, total = values[0], column[here[0]] * values[0]
        for r in range(1, len(here)):
            u = column[here[r]]
            total += u * values[r]
            F[r] += u * first
        F[0] += total
        return
    for c in range(p):
        F[c] += column[here[0]] * values[c]
    for r in range(1, len(here)):
        u = column[here[r]]
        for c in range(p):
            F[c] += u * values[r * p + c]
            F[r * p + c] += u * values[c]
