"""What the elimination of the head leaves of an iterative tail, and products with it.

The tail's rows are S, those of its sparse terms, and D, those of its dense terms, X and y. After
the elimination of the head, with B = C M of `blocks.cholesky`,

    C_SS = A_SS - B_S B_S'      C_SD = A_SD - B_S B_D'      C_DD = A_DD - B_D B_D'

C_SS is never formed: only its blocks on the diagonal, of each level, are. A product C_SS V is a
pass over the sparse blocks of A_SS and B, for all columns of V at once: V is row-major, so that a
row of it is read as a whole. Work is divided into parts that add up to the product, whose number
depends on the design alone: results do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.cholesky import eliminate_levels, load_head, set_lambda, update_head
from numbamm.blocks.jit import FUSE, jit
from numbamm.blocks.kinds import INDEX, INTEGER, INTEGERS, MATRIX, NOTHING, REALS, TABLE
from numbamm.blocks.lapack import LOWER, NO, dsyrk
from numbamm.blocks.layout import (
    DENSE,
    DIAG,
    FIRST_DENSE,
    ND,
    NHEAD,
    NLEVEL,
    NSPARSE,
    ROW,
    ROWPTR,
    ROWS,
    SPARSE,
    P,
)
from numbamm.blocks.vectors import dot


@jit(takes=(REALS, TABLE, INDEX, REALS, REALS, INTEGERS, INTEGERS, REALS, MATRIX, REALS))
def reduce(entries, table, index, A, work, local, place, own, mixed, dense):
    """Eliminate the head, and subtract its share from the tail's matrices.

    Parameters
    ----------
    entries : float64
        The entries of every λ.
    table, index, A, work
        As for `cholesky.eliminate_head`; `work` needs no region of the tail.
    local, place : int64, shape (order of S,)
        Of each row of S: its position in its level, and where in `own` its line begins.
    own : float64
        Blocks on the diagonal of A_SS, row-major; overwritten by those of C_SS.
    mixed : float64, shape (order of S, order of D)
        A_SD; overwritten by C_SD.
    dense : float64, shape (order of D squared,)
        Lower triangle of A_DD, column-major; overwritten by C_DD.

    Returns
    -------
    float64
        log|L_head|².
    """
    set_lambda(entries, table, index, work)
    for k in range(1, table[0, NHEAD]):
        load_head(k, table, A, work)
    logdet = 0.0
    for k in range(table[0, NHEAD]):
        logdet += eliminate_levels(k, table, index, A, work)
        for i in range(k + 1, table[0, NHEAD]):
            update_head(k, i, table, index, work)
        nd, width = table[1 + k, ND], table[1 + k, P] * table[1 + k, NLEVEL]
        B = work[table[1 + k, DENSE] : table[1 + k, DENSE] + nd * width]
        dsyrk(LOWER, NO, nd, width, -1.0, B, nd, 1.0, dense, nd)
        _subtract_term(k, table, index, work, local, place, own, mixed)
    return logdet


@jit(fastmath=FUSE)
def _subtract_term(k, table, index, work, local, place, own, mixed):
    """Subtract head term k's share from the blocks on S's diagonal and from C_SD."""
    p, nd = table[1 + k, P], table[1 + k, ND]
    at, to, values = table[1 + k, ROWPTR], table[1 + k, ROWS], table[1 + k, SPARSE]
    for level in range(table[1 + k, NLEVEL]):
        below = work[table[1 + k, DENSE] + level * p * nd :]
        for s in range(index[at + level], index[at + level + 1]):
            r = index[to + s]
            row, target = work[values + s * p : values + (s + 1) * p], mixed[r]
            for c in range(p):
                factor, column = row[c], below[c * nd : (c + 1) * nd]
                for d in range(nd):
                    target[d] -= factor * column[d]
            first = s - local[r]
            for t in range(first, s + 1):
                other = work[values + t * p : values + (t + 1) * p]
                own[place[r] + t - first] -= dot(row, other)


@jit(takes=(TABLE, INDEX, REALS, REALS, TABLE, INTEGER, MATRIX, MATRIX), owns=True, fastmath=FUSE)
def product(table, index, A, work, bounds, part, V, out):
    """One part of C_SS V.

    Parameters
    ----------
    table, index, A, work
        As `reduce` leaves them.
    bounds : int64, shape (parts + 1, number of head and sparse terms)
        The levels of each term at which the parts begin.
    part : int
    V, out : float64, shape (order of S, columns)
        `out` is filled.
    """
    columns = V.shape[1]
    for r in range(len(out)):
        for c in range(columns):
            out[r, c] = 0.0
    widest = 1
    for k in range(table[0, FIRST_DENSE]):
        widest = max(widest, table[1 + k, P])
    sums = np.empty((widest, columns))
    for k in range(table[0, FIRST_DENSE]):
        start, stop, p = bounds[part, k], bounds[part + 1, k], table[1 + k, P]
        at, n = table[1 + k, SPARSE], table[1 + k, NSPARSE]
        rows = index[table[1 + k, ROWS] : table[1 + k, ROWS] + n]
        rowptr = index[table[1 + k, ROWPTR] : table[1 + k, ROWPTR] + table[1 + k, NLEVEL] + 1]
        if k >= table[0, NHEAD]:
            _add_tail(k, start, stop, table, A, rows, rowptr, A[at : at + n * p], V, out)
        elif p == 1:
            _subtract_scalars(start, stop, rows, rowptr, work[at : at + n], V, out, sums[0])
        else:
            _subtract_blocks(start, stop, p, rows, rowptr, work[at : at + n * p], V, out, sums)


@jit(fastmath=FUSE)
def _subtract_scalars(start, stop, rows, rowptr, values, V, out, total):
    """out -= B B'V for levels of a head term of one column."""
    for level in range(start, stop):
        first, last = rowptr[level], rowptr[level + 1]
        for c in range(len(total)):
            total[c] = 0.0
        for s in range(first, last):
            factor, row = values[s], V[rows[s]]
            for c in range(len(total)):
                total[c] += factor * row[c]
        for s in range(first, last):
            factor, row = values[s], out[rows[s]]
            for c in range(len(total)):
                row[c] -= factor * total[c]


@jit(fastmath=FUSE)
def _subtract_blocks(start, stop, p, rows, rowptr, values, V, out, sums):
    """out -= B B'V for levels of a head term of p columns."""
    columns = V.shape[1]
    for level in range(start, stop):
        first, last = rowptr[level], rowptr[level + 1]
        for a in range(p):
            for c in range(columns):
                sums[a, c] = 0.0
        for s in range(first, last):
            row = V[rows[s]]
            for a in range(p):
                factor, total = values[s * p + a], sums[a]
                for c in range(columns):
                    total[c] += factor * row[c]
        for s in range(first, last):
            row = out[rows[s]]
            for a in range(p):
                factor, total = values[s * p + a], sums[a]
                for c in range(columns):
                    row[c] -= factor * total[c]


@jit(fastmath=FUSE)
def _add_tail(k, start, stop, table, A, rows, rowptr, values, V, out):
    """out += A_SS V for the columns of levels of a sparse term: its own rows, and later ones."""
    p, columns = table[1 + k, P], V.shape[1]
    for level in range(start, stop):
        block = A[table[1 + k, DIAG] + level * p * p : table[1 + k, DIAG] + (level + 1) * p * p]
        at = table[1 + k, ROW] + level * p
        for a in range(p):
            target = out[at + a]
            for b in range(p):
                factor, row = block[a * p + b], V[at + b]
                for c in range(columns):
                    target[c] += factor * row[c]
        for s in range(rowptr[level], rowptr[level + 1]):
            row, target = V[rows[s]], out[rows[s]]
            for a in range(p):
                factor, own, mine = values[s * p + a], V[at + a], out[at + a]
                for c in range(columns):
                    target[c] += factor * own[c]
                    mine[c] += factor * row[c]


#: Fewer multiplications than this are done in one part.
SMALL = 200_000
#: Number of parts otherwise: as many threads can share the work.
PARTS = 4


def divide(layout) -> np.ndarray:
    """Bounds of the parts of products, of about equal work; see `product`."""
    table = layout.table
    bounds, work = [], 0
    for k in range(table[0, FIRST_DENSE]):
        start, nlevel = table[1 + k, ROWPTR], table[1 + k, NLEVEL]
        cost = layout.index[start : start + nlevel + 1].astype(np.int64) + np.arange(nlevel + 1)
        work += int(cost[-1]) * int(table[1 + k, P])
        share = np.linspace(0, cost[-1], PARTS + 1)
        inner = np.searchsorted(cost, share[1:-1])
        bounds.append(np.concatenate([[0], inner, [nlevel]]))
    bounds = np.array(bounds, dtype=np.int64).T
    return np.ascontiguousarray(bounds if work > SMALL else bounds[[0, -1]])


@jit(takes=(MATRIX, MATRIX), gives=NOTHING)
def add(source, target):
    """target += source."""
    for r in range(len(target)):
        for c in range(target.shape[1]):
            target[r, c] += source[r, c]
