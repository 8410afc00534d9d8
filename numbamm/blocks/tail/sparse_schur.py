"""The Schur complement T of the head, in sparse form; and Ω = Λ'TΛ + I of its sparse part.

The head is eliminated as for a dense tail. What its levels subtract from T, B B', is then collected
column by column: a column of T is a vector of all rows, to which every level that has the column
among its rows adds its own, and from which the non-zeros are gathered. No position is looked up.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.cholesky import (
    eliminate_levels,
    load_head,
    set_lambda,
    subtract_columns,
    update_head,
)
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, NOTHING, REALS, TABLE
from numbamm.blocks.lapack import LOWER, NO, dsyrk
from numbamm.blocks.layout import (
    CROSS,
    D0,
    DENSE,
    DIAG,
    FIRST_DENSE,
    LAMBDA,
    ND,
    NHEAD,
    NLEVEL,
    NSPARSE,
    NTERM,
    NX,
    ROW,
    ROWPTR,
    ROWS,
    SPARSE,
    P,
)
from numbamm.blocks.tail.sparse_pattern import PATTERN
from numbamm.blocks.vectors import copy, dot


@jit(takes=(REALS, TABLE, INDEX, REALS, REALS, PATTERN, REALS, REALS, REALS), owns=True)
def eliminate(theta, table, index, A, work, pattern, values, border, corner):
    """Eliminate the head at θ, and fill T; returns log|L_head|².

    Parameters
    ----------
    theta, table, index, A, work
        As for `cholesky.eliminate_head`.
    pattern : SparsePattern
    values : float64, shape (non-zeros,)
        Filled with T of the sparse part.
    border : float64, shape (order of the sparse part * nd,)
        Filled with its rows behind the sparse part, column by column.
    corner : float64, shape (nd * nd,)
        Filled: the lower triangle of T of the dense terms, X and y, column-major.
    """
    nhead, nd, d0 = table[0, NHEAD], table[1, ND], table[1, D0]
    set_lambda(theta, table, index, work)
    for k in range(1, nhead):
        load_head(k, table, A, work)
    _load_corner(table, A, nd, d0, corner)
    logdet = 0.0
    for k in range(nhead):
        logdet += eliminate_levels(k, table, index, A, work)
        width = table[1 + k, P] * table[1 + k, NLEVEL]
        dense = work[table[1 + k, DENSE] : table[1 + k, DENSE] + nd * width]
        dsyrk(LOWER, NO, nd, width, -1.0, dense, nd, 1.0, corner, nd)
        for i in range(k + 1, nhead):
            update_head(k, i, table, index, work)
    column = np.zeros(d0)
    for k in range(nhead, table[0, FIRST_DENSE]):
        for j in range(table[1 + k, P] * table[1 + k, NLEVEL]):
            _column(k, j, table, index, A, work, pattern, column, border)
            at = table[1 + k, ROW] + j
            start, stop = pattern.colptr[at], pattern.colptr[at + 1]
            rows, target = pattern.rows[start:stop], values[start:stop]
            for s in range(len(rows)):
                target[s] = column[rows[s]]
                column[rows[s]] = 0.0
    return logdet


@jit
def _load_corner(table, A, nd, d0, corner):
    """Copy A of the dense terms, X and y into the lower triangle of the corner."""
    nx = table[0, NX]
    for k in range(table[0, FIRST_DENSE], table[0, NTERM]):
        p, first = table[1 + k, P], table[1 + k, ROW] - d0
        behind = table[1 + k, ND]
        width = p * table[1 + k, NLEVEL]
        for c in range(width):
            column = corner[(first + c) * nd : (first + c + 1) * nd]
            column[first + c : nd - behind] = 0.0
            level, b = c // p, c % p
            for a in range(b, p):
                column[first + level * p + a] = A[table[1 + k, DIAG] + (level * p + a) * p + b]
            at = table[1 + k, DENSE] + c * behind
            copy(A[at : at + behind], column[nd - behind :])
    cross, z = A[table[0, CROSS] :], nd - nx - 1
    for c in range(nx + 1):
        for r in range(c, nx + 1):
            corner[(z + c) * nd + z + r] = cross[c * (nx + 1) + r]


@jit
def _column(k, j, table, index, A, work, pattern, column, border):
    """Add column j of sparse term k of T to `column`, which is zero before; fill the border's."""
    p, nd, first = table[1 + k, P], table[1 + k, ND], table[1 + k, ROW]
    level, b = j // p, j % p
    for a in range(b, p):
        column[first + level * p + a] = A[table[1 + k, DIAG] + (level * p + a) * p + b]
    at = table[1 + k, ROWPTR] + level
    rows = index[table[1 + k, ROWS] : table[1 + k, ROWS] + table[1 + k, NSPARSE]]
    for s in range(index[at], index[at + 1]):
        column[rows[s]] = A[table[1 + k, SPARSE] + s * p + b]
    below = border[(first + j) * nd : (first + j + 1) * nd]
    at = table[1 + k, DENSE] + j * nd
    copy(A[at : at + nd], below)
    for h in range(table[0, NHEAD]):
        _subtract_levels(h, first + j, table, index, work, pattern, column, below)


@jit
def _subtract_levels(h, row, table, index, work, pattern, column, below):
    """Subtract B B' of all levels of head term h that have this row, from the row on."""
    p, nd = table[1 + h, P], table[1 + h, ND]
    pointers, positions = (
        pattern.lists[pattern.starts[h, 0] :],
        pattern.lists[pattern.starts[h, 1] :],
    )
    levels = pattern.lists[pattern.starts[h, 2] :]
    rowptr = index[table[1 + h, ROWPTR] : table[1 + h, ROWPTR] + table[1 + h, NLEVEL] + 1]
    rows = index[table[1 + h, ROWS] : table[1 + h, ROWS] + table[1 + h, NSPARSE]]
    sparse = work[table[1 + h, SPARSE] : table[1 + h, SPARSE] + table[1 + h, NSPARSE] * p]
    for t in range(pointers[row], pointers[row + 1]):
        s, level = positions[t], levels[t]
        stop = rowptr[level + 1]
        here, values = rows[s:stop], sparse[s * p : stop * p]
        if p == 1:
            factor = values[0]
            for a in range(len(here)):
                column[here[a]] -= factor * values[a]
        else:
            own = values[:p]
            for a in range(len(here)):
                column[here[a]] -= dot(own, values[a * p : (a + 1) * p])
        if nd > 0:
            at = table[1 + h, DENSE] + level * p * nd
            subtract_columns(below, work[at : at + p * nd], values[:p], nd)


@jit(takes=(TABLE, REALS, PATTERN, REALS, REALS), gives=NOTHING, owns=True)
def scale_by_lambda(table, work, pattern, values, scaled):
    """scaled := Λ'TΛ + I of the sparse part, of which `values` are T; λ is read from `work`."""
    widest = 1
    for k in range(table[0, NTERM]):
        widest = max(widest, table[1 + k, P])
    block, product = np.empty(widest * widest), np.empty(widest * widest)
    for k in range(table[0, NHEAD], table[0, FIRST_DENSE]):
        p = table[1 + k, P]
        lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
        for level in range(table[1 + k, NLEVEL]):
            at = table[1 + k, ROW] + level * p
            _diagonal(at, p, lam, pattern, values, scaled, block, product)
            q, i = p, k
            while q < pattern.colptr[at + 1] - pattern.colptr[at]:
                row = pattern.rows[pattern.colptr[at] + q]
                while row >= table[1 + i, ROW] + table[1 + i, P] * table[1 + i, NLEVEL]:
                    i += 1
                pi = table[1 + i, P]
                other = work[table[1 + i, LAMBDA] : table[1 + i, LAMBDA] + pi * pi]
                _below(at, q, p, pi, lam, other, pattern, values, scaled, product)
                q += pi


@jit
def _diagonal(at, p, lam, pattern, values, scaled, block, product):
    """λ'Cλ + I for a level's own block."""
    for b in range(p):
        start = pattern.colptr[at + b]
        for a in range(b, p):
            block[a * p + b] = block[b * p + a] = values[start + a - b]
    for a in range(p):
        for b in range(p):
            total = 0.0
            for c in range(b, p):
                total += block[a * p + c] * lam[c * p + b]
            product[a * p + b] = total
    for b in range(p):
        start = pattern.colptr[at + b]
        for a in range(b, p):
            total = 1.0 if a == b else 0.0
            for c in range(a, p):
                total += lam[c * p + a] * product[c * p + b]
            scaled[start + a - b] = total


@jit
def _below(at, q, p, pi, lam, other, pattern, values, scaled, product):
    """λ_i'Cλ for a block below a level's own; q is its place in the level's first column."""
    if p == 1 and pi == 1:
        t = pattern.colptr[at] + q
        scaled[t] = other[0] * values[t] * lam[0]
        return
    for a in range(pi):
        for b in range(p):
            total = 0.0
            for c in range(b, p):
                total += values[pattern.colptr[at + c] + q - c + a] * lam[c * p + b]
            product[a * p + b] = total
    for b in range(p):
        start = pattern.colptr[at + b] + q - b
        for a in range(pi):
            total = 0.0
            for c in range(a, pi):
                total += other[c * pi + a] * product[c * p + b]
            scaled[start + a] = total
