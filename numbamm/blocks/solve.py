"""Solutions with a factor L: β and u by back substitution, and quadratic forms of rows."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, LEVELS, MATRIX, NOTHING, REALS, TABLE
from numbamm.blocks.layout import (
    COLUMN,
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
from numbamm.blocks.vectors import copy, dot


@jit(takes=(TABLE, INDEX, REALS, REALS, REALS), gives=NOTHING)
def solve(table, index, work, u, b):
    """Solve L'(u, β) = l_y by back substitution, last row first.

    Parameters
    ----------
    table, index, work
        Layout, and the workspace as `cholesky.factorize` left it.
    u, b : float64, shape (order of the head + m,)
        Filled with the spherical random effects u, and with b = Λu, of every term in the table's
        order; then β; then -1 for y.
    """
    m, nx = table[0, ORDER], table[0, NX]
    tail = work[table[0, TAIL] : table[0, TAIL] + m * m]
    head = len(u) - m
    v, w = u[head:], b[head:]
    v[m - 1] = -1.0
    for r in range(m - 2, -1, -1):
        column = tail[r * m : (r + 1) * m]
        v[r] = -dot(column[r + 1 :], v[r + 1 :]) / column[r]
    copy(v[m - 1 - nx :], w[m - 1 - nx :])
    solve_above(table, index, work, u, b)


@jit(entry=False)
def solve_above(table, index, work, u, b):
    """Complete u and b, given u of the tail, and the end of b, which belongs to X and y."""
    nterm, nhead, m = table[0, NTERM], table[0, NHEAD], table[0, ORDER]
    head = len(u) - m
    v, w = u[head:], b[head:]
    for k in range(nhead, nterm):
        _lambda_levels(k, table, work, v[table[1 + k, ROW] :], w[table[1 + k, ROW] :])
    start = head
    for k in range(nhead - 1, -1, -1):
        start -= table[1 + k, P] * table[1 + k, NLEVEL]
        _solve_head(k, start, table, index, work, u, b, w)
        _lambda_levels(k, table, work, u[start:], b[start:])


@jit(entry=False)
def random_effects(table, work, u, b):
    """b = Λu of every term, in the table's order; λ is read from `work`."""
    start = 0
    for k in range(table[0, NTERM]):
        _lambda_levels(k, table, work, u[start:], b[start:])
        start += table[1 + k, P] * table[1 + k, NLEVEL]


@jit
def _lambda_levels(k, table, work, u, b):
    """b = λu for every level of term k."""
    p = table[1 + k, P]
    lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
    for level in range(table[1 + k, NLEVEL]):
        for r in range(p):
            total = 0.0
            for c in range(r + 1):
                total += lam[r * p + c] * u[level * p + c]
            b[level * p + r] = total


@jit
def _solve_head(k, start, table, index, work, u, b, w):
    """u_k = -L_kk⁻ᵀ (B_·k' b) for every level of head term k; `w` is the tail's part of b."""
    nterm, nhead, p = table[0, NTERM], table[0, NHEAD], table[1 + k, P]
    nd, d0, nlevel = table[1 + k, ND], table[1 + k, D0], table[1 + k, NLEVEL]
    rowptr = index[table[1 + k, ROWPTR] : table[1 + k, ROWPTR] + nlevel + 1]
    rows = index[table[1 + k, ROWS] : table[1 + k, ROWS] + table[1 + k, NSPARSE]]
    sparse = work[table[1 + k, SPARSE] : table[1 + k, SPARSE] + table[1 + k, NSPARSE] * p]
    dense = work[table[1 + k, DENSE] : table[1 + k, DENSE] + nd * p * nlevel]
    for level in range(nlevel):
        u_j = u[start + level * p : start + (level + 1) * p]
        for c in range(p):
            column = dense[(level * p + c) * nd : (level * p + c + 1) * nd]
            total = dot(column, w[d0:])
            for s in range(rowptr[level], rowptr[level + 1]):
                total += sparse[s * p + c] * w[rows[s]]
            u_j[c] = -total
        first = start + p * nlevel
        for i in range(k + 1, nhead):
            pi = table[1 + i, P]
            pair = 1 + nterm + k * nhead + i
            up = first + index[table[pair, PARENT] + level] * pi
            B = work[table[pair, NESTED] + level * pi * p :]
            for a in range(pi):
                for c in range(p):
                    u_j[c] -= B[a * p + c] * b[up + a]
            first += pi * table[1 + i, NLEVEL]
        L = work[table[1 + k, DIAG] + level * p * p :]
        for c in range(p - 1, -1, -1):
            for a in range(c + 1, p):
                u_j[c] -= L[a * p + c] * u_j[a]
            u_j[c] /= L[c * p + c]


@jit(takes=(LEVELS, MATRIX, MATRIX, TABLE, INDEX, REALS, MATRIX, REALS, REALS, REALS), owns=True)
def quadratic_forms(refs, z, x, table, index, work, V, e, t, out):
    """Quadratic forms a_i'Ω⁻¹a_i with a_i = (Λ'z_i, x_i), for rows with any combination of levels.

    The head is eliminated for each row separately: with e = L_11⁻¹λ_1'z_1 and t = a_T - B_T1 e,
    the form is e'e + t'Vt. Among the sparse rows of the tail, t is non-zero only in those that
    share a non-zero block with the row's levels.

    Parameters
    ----------
    refs : int32, shape (K, n)
        Level of each row for each term, in the table's order; -1 for none.
    z : float64, shape (n, sum of p)
        The terms' columns side by side.
    x : float64, shape (n, at least nx)
        Columns of X.
    table, index, work
        Layout, and the workspace as `cholesky.factorize` left it.
    V : float64, shape (m, m)
        Λ (L_T L_T')⁻¹ Λ' for the tail, symmetric, with zeros in y's row and column.
    e, t : float64, shape (order of the head,) and (m,)
        Scratch; zero before and after.
    out : float64, shape (n,)
        Filled.
    """
    m, d0 = table[0, ORDER], table[1, D0]  # d0 is the same for all head terms
    touched, last = np.empty(m, np.int64), np.full(m, -1, np.int64)
    head = head_scratch(table)
    for row in range(len(out)):
        total, ntouched = tail_vector(
            row, refs, z, x, table, index, work, head, touched, last, e, t
        )
        out[row] = total + _tail_form(V, t, touched[:ntouched], d0)


@jit(entry=False, owns=True)
def head_scratch(table):
    """Where the head's levels of a row are noted.

    The first line has the start of each term in e, the second the number of its levels; the others
    have these levels: a term's own, and the parents of levels of earlier terms.
    """
    nhead = table[0, NHEAD]
    head = np.zeros((2 + nhead, nhead), np.int64)
    for k in range(1, nhead):
        head[0, k] = head[0, k - 1] + table[k, P] * table[k, NLEVEL]
    return head


@jit(entry=False, owns=True, forceinline=True)
def tail_vector(row, refs, z, x, table, index, work, head, touched, last, e, t):
    """Eliminate the head for one row; returns e'e and the number of sparse rows of t that may
    differ from zero, which are put into `touched`.
    """
    nterm, nhead, m, nx = table[0, NTERM], table[0, NHEAD], table[0, ORDER], table[0, NX]
    d0 = table[1, D0]
    starts, number, levels = head[0], head[1], head[2:]
    ntouched, total = 0, 0.0
    for k in range(nterm):
        level, p, column = refs[k, row], table[1 + k, P], table[1 + k, COLUMN]
        if level < 0:
            continue
        if k < nhead:
            levels[k, 0], number[k] = level, 1
        for c in range(p):
            if k < nhead:
                e[starts[k] + level * p + c] = z[row, column + c]
            else:
                r = table[1 + k, ROW] + level * p + c
                t[r] = z[row, column + c]
                ntouched = touch(r, d0, row, touched, last, ntouched)
    for c in range(nx):
        t[m - 1 - nx + c] = x[row, c]
    for k in range(nhead):
        for j in range(number[k]):
            level = levels[k, j]
            total += eliminate_level(k, level, starts, table, index, work, e, t)
            at = starts[k] + level * table[1 + k, P]
            e[at : at + table[1 + k, P]] = 0.0
            add_parents(k, level, table, index, levels, number)
            at = table[1 + k, ROWPTR] + level
            for s in range(index[at], index[at + 1]):
                r = index[table[1 + k, ROWS] + s]
                ntouched = touch(r, d0, row, touched, last, ntouched)
        number[k] = 0
    return total, ntouched


@jit(entry=False)
def touch(r, d0, row, touched, last, ntouched):
    """Add a sparse tail row to `touched` unless it is there; returns the number of such rows."""
    if r >= d0 or last[r] == row:
        return ntouched
    last[r] = row
    touched[ntouched] = r
    return ntouched + 1


@jit(entry=False)
def add_parents(k, level, table, index, levels, number):
    """Add the parents of a level of term k to `levels` of later head terms, without duplicates."""
    nterm, nhead = table[0, NTERM], table[0, NHEAD]
    for i in range(k + 1, nhead):
        up = index[table[1 + nterm + k * nhead + i, PARENT] + level]
        known = False
        for other in levels[i, : number[i]]:
            known |= other == up
        if not known:
            levels[i, number[i]] = up
            number[i] += 1


@jit
def _tail_form(V, t, rows, d0):
    """t'Vt, where t is non-zero in `rows` and in the dense rows only; t is set to zero."""
    total = 0.0
    for r in rows:
        total += 2.0 * t[r] * dot(V[r, d0:], t[d0:])
        for s in rows:
            total += t[r] * V[r, s] * t[s]
    for r in range(d0, len(t)):
        if t[r] != 0.0:
            total += t[r] * dot(V[r, d0:], t[d0:])
    for r in rows:
        t[r] = 0.0
    t[d0:] = 0.0
    return total


@jit(entry=False)
def eliminate_level(k, level, starts, table, index, work, e, t):
    """e_k = L_kk⁻¹λ_k'e_k of one level, whose share is subtracted from e and t; returns e_k'e_k."""
    nterm, nhead, p = table[0, NTERM], table[0, NHEAD], table[1 + k, P]
    nd, d0 = table[1 + k, ND], table[1 + k, D0]
    e_j = e[starts[k] + level * p : starts[k] + (level + 1) * p]
    lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
    L = work[table[1 + k, DIAG] + level * p * p :]
    norm = 0.0
    for c in range(p):
        total = 0.0
        for a in range(c, p):
            total += lam[a * p + c] * e_j[a]
        for a in range(c):
            total -= L[c * p + a] * e_j[a]
        e_j[c] = total / L[c * p + c]
        norm += e_j[c] * e_j[c]
    for i in range(k + 1, nhead):
        pi, pair = table[1 + i, P], table[1 + nterm + k * nhead + i]
        up = starts[i] + index[pair[PARENT] + level] * pi
        B = work[pair[NESTED] + level * pi * p :]
        for a in range(pi):
            e[up + a] -= dot(B[a * p : (a + 1) * p], e_j)
    at = table[1 + k, ROWPTR] + level
    for s in range(index[at], index[at + 1]):
        B = work[table[1 + k, SPARSE] + s * p : table[1 + k, SPARSE] + (s + 1) * p]
        t[index[table[1 + k, ROWS] + s]] -= dot(B, e_j)
    for c in range(p):
        start = table[1 + k, DENSE] + (level * p + c) * nd
        column = work[start : start + nd]
        for r in range(nd):
            t[d0 + r] -= column[r] * e_j[c]
    return norm
