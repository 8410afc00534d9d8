"""r² of another response, with the factor of [Z X] that a response before it has left behind.

The factor's rows of Z and X do not depend on y. Where many responses are evaluated at the same θ,
all but the row of y need be computed once. That row is a forward substitution, whose price is that
of the blocks' number of entries; a factorisation costs their squares.
"""

from __future__ import annotations

from numbamm.blocks.jit import jit
from numbamm.blocks.layout import (
    CROSS,
    D0,
    DENSE,
    DIAG,
    LAMBDA,
    ND,
    NESTED,
    NHEAD,
    NLEVEL,
    NSPARSE,
    NTERM,
    NX,
    ORDER,
    PARENT,
    ROW,
    ROWPTR,
    ROWS,
    SPARSE,
    TAIL,
    P,
)


@jit(entry=False)
def response_norm(table, index, A, work, v):
    """r², what Z and X leave of y'y.

    Parameters
    ----------
    table, index
        See `layout.Layout`.
    A : float64, shape (size_a,)
        With the response's cross-products.
    work : float64, shape (size_work,)
        L(θ) of the same Z and X and any response.
    v : float64, shape (order of the head + m,)
        Overwritten.

    Returns
    -------
    float64
    """
    nterm, nhead, m = table[0, NTERM], table[0, NHEAD], table[0, ORDER]
    tail = v[len(v) - m :]
    _load(table, A, v, tail)
    left = tail[m - 1]
    start = 0
    for k in range(nhead):
        p, nlevel, nd = table[1 + k, P], table[1 + k, NLEVEL], table[1 + k, ND]
        lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
        dense = work[table[1 + k, DENSE] : table[1 + k, DENSE] + nd * p * nlevel]
        below = tail[table[1 + k, D0] :]
        for level in range(nlevel):
            w = v[start + level * p : start + (level + 1) * p]
            at = table[1 + k, DIAG] + level * p * p
            _lambda_transposed(lam, p, w)
            left -= _solve_lower(work[at : at + p * p], p, w)
            for c in range(p):
                factor = w[c]
                column = dense[(level * p + c) * nd : (level * p + c + 1) * nd]
                for r in range(nd - 1):
                    below[r] -= factor * column[r]
            if table[1 + k, NSPARSE] > 0:
                _subtract_sparse(k, level, table, index, work, w, tail)
        behind = start + p * nlevel
        for i in range(k + 1, nhead):
            _subtract_nested(k, i, start, behind, table, index, work, v)
            behind += table[1 + i, P] * table[1 + i, NLEVEL]
        start += p * nlevel
    for k in range(nhead, nterm):
        p = table[1 + k, P]
        lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
        for at in range(table[1 + k, ROW], table[1 + k, ROW] + p * table[1 + k, NLEVEL], p):
            _lambda_transposed(lam, p, tail[at : at + p])
    T = work[table[0, TAIL] : table[0, TAIL] + m * m]
    for c in range(m - 1):
        column = T[c * m : (c + 1) * m]
        factor = tail[c] / column[c]
        left -= factor * factor
        for r in range(c + 1, m - 1):
            tail[r] -= factor * column[r]
    return left


@jit(entry=False)
def vector_length(table):
    """Number of random effects of the head, plus the order of the tail."""
    total = table[0, ORDER]
    for k in range(table[0, NHEAD]):
        total += table[1 + k, P] * table[1 + k, NLEVEL]
    return total


@jit
def _load(table, A, v, tail):
    """Copy the row of y in A, in the table's order: products with Z, with X and with itself."""
    nx, start = table[0, NX], 0
    for k in range(table[0, NTERM]):
        width, nd = table[1 + k, P] * table[1 + k, NLEVEL], table[1 + k, ND]
        dense = A[table[1 + k, DENSE] : table[1 + k, DENSE] + nd * width]
        if k < table[0, NHEAD]:
            target = v[start : start + width]
            start += width
        else:
            target = tail[table[1 + k, ROW] : table[1 + k, ROW] + width]
        for c in range(width):
            target[c] = dense[c * nd + nd - 1]
    for c in range(nx + 1):
        tail[len(tail) - 1 - nx + c] = A[table[0, CROSS] + c * (nx + 1) + nx]


@jit
def _lambda_transposed(lam, p, w):
    """λ'w, in place."""
    for c in range(p):
        total = 0.0
        for a in range(c, p):
            total += lam[a * p + c] * w[a]
        w[c] = total


@jit
def _solve_lower(L, p, w):
    """L⁻¹w, in place; returns its square."""
    square = 0.0
    for c in range(p):
        for a in range(c):
            w[c] -= L[c * p + a] * w[a]
        w[c] /= L[c * p + c]
        square += w[c] * w[c]
    return square


@jit
def _subtract_sparse(k, level, table, index, work, w, tail):
    """Take what a level explains off the tail's rows that it occurs with."""
    p, at = table[1 + k, P], table[1 + k, ROWPTR] + level
    for s in range(index[at], index[at + 1]):
        B = work[table[1 + k, SPARSE] + s * p : table[1 + k, SPARSE] + (s + 1) * p]
        row = index[table[1 + k, ROWS] + s]
        for c in range(p):
            tail[row] -= B[c] * w[c]


@jit
def _subtract_nested(k, i, start, behind, table, index, work, v):
    """Take what the levels of head term k explain off their parents in the later head term i."""
    p, pi = table[1 + k, P], table[1 + i, P]
    pair = 1 + table[0, NTERM] + k * table[0, NHEAD] + i
    for level in range(table[1 + k, NLEVEL]):
        w = v[start + level * p : start + (level + 1) * p]
        up = behind + index[table[pair, PARENT] + level] * pi
        B = work[table[pair, NESTED] + level * pi * p :]
        for a in range(pi):
            for c in range(p):
                v[up + a] -= B[a * p + c] * w[c]
