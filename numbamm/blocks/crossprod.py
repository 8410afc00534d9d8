"""The cross-product A = [Z X y]'[Z X y], block by block, in one pass over the rows."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, LEVELS, MATRIX, NOTHING, REALS, TABLE
from numbamm.blocks.lapack import LOWER, NO, dsyrk
from numbamm.blocks.layout import (
    COLUMN,
    CROSS,
    D0,
    DENSE,
    DIAG,
    FIRST_DENSE,
    ND,
    NESTED,
    NHEAD,
    NLEVEL,
    NSPARSE,
    NTERM,
    NX,
    ORDER,
    PLACES,
    ROW,
    ROWPTR,
    ROWS,
    SPARSE,
    P,
)


@jit(takes=(LEVELS, MATRIX, MATRIX, TABLE, LEVELS, REALS), gives=NOTHING)
def crossprod(refs, z, xy, table, places, A):
    """Fill A from the rows of the data.

    Parameters
    ----------
    refs : int32, shape (K, n)
        Level of each row for each term, in the table's order.
    z : float64, shape (n, sum of p)
        The terms' columns side by side, times the square root of the weights.
    xy : float64, shape (n, nx + 1)
        ``[X | y]``, times the square root of the weights.
    table, places
        See `layout.Layout`.
    A : float64, shape (size_a,)
        Filled in place.
    """
    _clear(table, A)
    _add(refs, z, xy, table, places, A)


@jit(takes=(LEVELS, MATRIX, MATRIX, TABLE, LEVELS, REALS), gives=NOTHING)
def add_rows(refs, z, xy, table, places, A):
    """Add the products of further rows to A; arguments as for `crossprod`."""
    _add(refs, z, xy, table, places, A)


@jit
def _add(refs, z, xy, table, places, A):
    nterm, nx = table[0, NTERM], table[0, NX]
    for k in range(nterm):
        _diagonal(k, refs, z, table, A)
        _nested(k, refs, z, table, A)
        _sparse(k, refs, z, table, places, A)
        _dense(k, refs, z, xy, table, A)
    cross = A[table[0, CROSS] : table[0, CROSS] + (nx + 1) * (nx + 1)]
    dsyrk(LOWER, NO, nx + 1, len(xy), 1.0, xy.reshape(xy.size), nx + 1, 1.0, cross, nx + 1)


@jit(takes=(LEVELS, MATRIX, MATRIX, TABLE, REALS), gives=NOTHING)
def crossprod_response(refs, z, xy, table, A):
    """Compute the row of y in A again: its products with every term, X and itself."""
    nterm, nx = table[0, NTERM], table[0, NX]
    for k in range(nterm):
        p, nd = table[1 + k, P], table[1 + k, ND]
        dense = A[table[1 + k, DENSE] : table[1 + k, DENSE] + nd * p * table[1 + k, NLEVEL]]
        dense[nd - 1 :: nd] = 0.0
        column = table[1 + k, COLUMN]
        for row in range(len(xy)):
            for b in range(p):
                at = (refs[k, row] * p + b) * nd + nd - 1
                dense[at] += z[row, column + b] * xy[row, nx]
    cross = A[table[0, CROSS] : table[0, CROSS] + (nx + 1) * (nx + 1)]
    for c in range(nx + 1):
        total = 0.0
        for row in range(len(xy)):
            total += xy[row, c] * xy[row, nx]
        cross[c * (nx + 1) + nx] = total


@jit
def _clear(table, A):
    """Zero the regions of A, leaving gaps between them alone."""
    nterm, nhead, nx = table[0, NTERM], table[0, NHEAD], table[0, NX]
    for k in range(nterm):
        p = table[1 + k, P]
        width = p * table[1 + k, NLEVEL]
        A[table[1 + k, DIAG] : table[1 + k, DIAG] + p * width] = 0.0
        A[table[1 + k, DENSE] : table[1 + k, DENSE] + table[1 + k, ND] * width] = 0.0
        A[table[1 + k, SPARSE] : table[1 + k, SPARSE] + table[1 + k, NSPARSE] * p] = 0.0
        for i in range(k + 1, nhead):
            start = table[1 + nterm + k * nhead + i, NESTED]
            A[start : start + table[1 + i, P] * width] = 0.0
    A[table[0, CROSS] : table[0, CROSS] + (nx + 1) * (nx + 1)] = 0.0


@jit
def _add_scalars(level, step, other, step_other, left, right, out):
    """Products of two columns, row by row, added up by the levels of one factor or of two."""
    for row in range(len(left)):
        out[level[row] * step + other[row] * step_other] += left[row] * right[row]


@jit
def _diagonal(k, refs, z, table, A):
    """Z_k'Z_k: a p × p block for each level."""
    p, column = table[1 + k, P], table[1 + k, COLUMN]
    out = A[table[1 + k, DIAG] : table[1 + k, DIAG] + p * p * table[1 + k, NLEVEL]]
    if p == 1:
        _add_scalars(refs[k], 1, refs[k], 0, z[:, column], z[:, column], out)
        return
    for row in range(len(z)):
        at = refs[k, row] * p * p
        for a in range(p):
            for b in range(p):
                out[at + a * p + b] += z[row, column + a] * z[row, column + b]


@jit
def _nested(k, refs, z, table, A):
    """Z_i'Z_k for each later head term i: a p_i × p_k block for each level of k."""
    nterm, nhead = table[0, NTERM], table[0, NHEAD]
    p, column = table[1 + k, P], table[1 + k, COLUMN]
    for i in range(k + 1, nhead):
        pi, column_i = table[1 + i, P], table[1 + i, COLUMN]
        start = table[1 + nterm + k * nhead + i, NESTED]
        out = A[start : start + pi * p * table[1 + k, NLEVEL]]
        for row in range(len(z)):
            at = refs[k, row] * pi * p
            for a in range(pi):
                for b in range(p):
                    out[at + a * p + b] += z[row, column_i + a] * z[row, column + b]


@jit
def _sparse(k, refs, z, table, places, A):
    """Z_i'Z_k for the later sparse terms i of the tail: the level pairs that occur."""
    p, column = table[1 + k, P], table[1 + k, COLUMN]
    out = A[table[1 + k, SPARSE] : table[1 + k, SPARSE] + table[1 + k, NSPARSE] * p]
    pair = table[1 + k, PLACES]
    for i in range(max(k + 1, table[0, NHEAD]), table[0, FIRST_DENSE]):
        pi, column_i = table[1 + i, P], table[1 + i, COLUMN]
        for row in range(len(z)):
            at = places[pair, row] * p
            for a in range(pi):
                for b in range(p):
                    out[at + a * p + b] += z[row, column_i + a] * z[row, column + b]
        pair += 1


@jit
def _dense(k, refs, z, xy, table, A):
    """[Z_i X y]'Z_k for the later dense terms i of the tail, column-major."""
    nterm, nx = table[0, NTERM], table[0, NX]
    p, column, nd = table[1 + k, P], table[1 + k, COLUMN], table[1 + k, ND]
    out = A[table[1 + k, DENSE] : table[1 + k, DENSE] + nd * p * table[1 + k, NLEVEL]]
    for i in range(max(k + 1, table[0, FIRST_DENSE]), nterm):
        pi, column_i = table[1 + i, P], table[1 + i, COLUMN]
        first = table[1 + i, ROW] - table[1 + k, D0]
        if p == pi == 1:
            _add_scalars(refs[k], nd, refs[i], 1, z[:, column], z[:, column_i], out[first:])
            continue
        for row in range(len(z)):
            for b in range(p):
                at = (refs[k, row] * p + b) * nd + first + refs[i, row] * pi
                for a in range(pi):
                    out[at + a] += z[row, column_i + a] * z[row, column + b]
    first = table[0, ORDER] - nx - 1 - table[1 + k, D0]
    if p == 1 and nx == 0:
        _add_scalars(refs[k], nd, refs[k], 0, z[:, column], xy[:, 0], out[first:])
        return
    for row in range(len(z)):
        for b in range(p):
            at = (refs[k, row] * p + b) * nd + first
            for c in range(nx + 1):
                out[at + c] += xy[row, c] * z[row, column + b]


def places_of(refs, layout) -> np.ndarray:
    """`Layout.places` of further rows; -1 for a pair of levels that the layout does not know.

    Parameters
    ----------
    refs : ndarray of int32, shape (K, n)
        Level of each row for each term, in the table's order.
    layout : Layout

    Returns
    -------
    ndarray of int32, shape (pairs, n)
    """
    places = np.zeros((len(layout.places), refs.shape[1]), dtype=np.int32)
    if len(places):
        find_places(refs, layout.table, layout.index, places)
    return places


@jit(takes=(LEVELS, TABLE, INDEX, LEVELS), gives=NOTHING)
def find_places(refs, table, index, places):
    """Fill `places` by binary search among the sparse rows of each row's level."""
    for k in range(table[0, NTERM]):
        pair, pointers, rows = table[1 + k, PLACES], table[1 + k, ROWPTR], table[1 + k, ROWS]
        for i in range(max(k + 1, table[0, NHEAD]), table[0, FIRST_DENSE]):
            start, p = table[1 + i, ROW], table[1 + i, P]
            for n in range(refs.shape[1]):
                wanted = start + refs[i, n] * p
                low = index[pointers + refs[k, n]]
                high = stop = index[pointers + refs[k, n] + 1]
                while low < high:
                    middle = (low + high) // 2
                    if index[rows + middle] < wanted:
                        low = middle + 1
                    else:
                        high = middle
                places[pair, n] = low if low < stop and index[rows + low] == wanted else -1
            pair += 1
