"""Products with the cross-product A of a stratum in the blocks of its layout, without its rows."""

from __future__ import annotations

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, MATRIX, NOTHING, NUMBER, REALS, TABLE
from numbamm.blocks.layout import (
    CROSS,
    D0,
    DENSE,
    DIAG,
    ND,
    NESTED,
    NHEAD,
    NLEVEL,
    NTERM,
    NX,
    ORDER,
    PARENT,
    ROW,
    TAIL_U,
    P,
)

# The layout is one for rows that are independent: the tail's terms are dense, and their D0 is their
# own first row, where each level has a block with itself alone.


@jit(takes=(TABLE, INDEX, REALS, MATRIX, MATRIX), gives=NOTHING)
def times(table, index, A, V, out):
    """out += A V.

    Parameters
    ----------
    table, index, A
        Layout and cross-product.
    V, out : float64, shape (random effects of the head + m, columns)
        Effects in the table's order, then X, then y.
    """
    nterm, nhead, m, nx = table[0, NTERM], table[0, NHEAD], table[0, ORDER], table[0, NX]
    head = len(V) - m
    start = 0
    for k in range(nterm):
        p, nlevel, nd, d0 = (
            table[1 + k, P],
            table[1 + k, NLEVEL],
            table[1 + k, ND],
            table[1 + k, D0],
        )
        if k >= nhead:
            start = head + table[1 + k, ROW]
        for level in range(nlevel):
            at = start + level * p
            if k < nhead:  # a block with itself, and with its parents
                _block(A, table[1 + k, DIAG] + level * p * p, p, p, V, out, at, at, False)
                behind = start + p * nlevel
                for i in range(k + 1, nhead):
                    pi, pair = table[1 + i, P], 1 + nterm + k * nhead + i
                    up = behind + index[table[pair, PARENT] + level] * pi
                    place = table[pair, NESTED] + level * pi * p
                    _block(A, place, pi, p, V, out, up, at, True)
                    behind += pi * table[1 + i, NLEVEL]
            for b in range(p):
                place = table[1 + k, DENSE] + (level * p + b) * nd
                _column(A, place, nd, V, out, head + d0, at + b)
        start += p * nlevel
    z = len(V) - nx - 1
    for c in range(nx + 1):
        for r in range(nx + 1):
            value = A[table[0, CROSS] + min(r, c) * (nx + 1) + max(r, c)]
            for j in range(V.shape[1]):
                out[z + r, j] += value * V[z + c, j]


@jit
def _block(A, place, rows, columns, V, out, at, other, both):
    """A row-major block at these rows and columns, and its transpose."""
    for a in range(rows):
        for b in range(columns):
            value = A[place + a * columns + b]
            for j in range(V.shape[1]):
                out[at + a, j] += value * V[other + b, j]
                if both:
                    out[other + b, j] += value * V[at + a, j]


@jit
def _column(A, place, nd, V, out, first, at):
    """The dense rows below a column; of a term of the tail the rows from the column's own on."""
    for r in range(nd):
        row = first + r
        value = A[place + r]
        if value == 0.0 or row < at:  # above the diagonal: the same entry as below
            continue
        for j in range(V.shape[1]):
            out[row, j] += value * V[at, j]
            if row != at:
                out[at, j] += value * V[row, j]


@jit(takes=(TABLE, REALS, REALS), gives=NUMBER)
def inner_product(table, A, adjoint):
    """tr(AU), U in `adjoint` as `differentiate` leaves it."""
    nterm, nhead, m, nx = table[0, NTERM], table[0, NHEAD], table[0, ORDER], table[0, NX]
    total = 0.0
    for k in range(nterm):
        p, nlevel, nd, d0 = (
            table[1 + k, P],
            table[1 + k, NLEVEL],
            table[1 + k, ND],
            table[1 + k, D0],
        )
        if k < nhead:
            for at in range(table[1 + k, DIAG], table[1 + k, DIAG] + p * p * nlevel):
                total += A[at] * adjoint[at]
            for i in range(k + 1, nhead):
                at = table[1 + nterm + k * nhead + i, NESTED]
                for e in range(at, at + table[1 + i, P] * p * nlevel):
                    total += 2.0 * A[e] * adjoint[e]
        for c in range(p * nlevel):
            place = table[1 + k, DENSE] + c * nd
            if k < nhead:
                for r in range(nd):
                    total += 2.0 * A[place + r] * adjoint[place + r]
                continue
            column = table[1 + k, ROW] + c
            for r in range(max(0, column - d0), nd):
                factor = 1.0 if d0 + r == column else 2.0
                total += factor * A[place + r] * adjoint[table[0, TAIL_U] + column * m + d0 + r]
    z = m - nx - 1
    for c in range(nx + 1):
        for r in range(c, nx + 1):
            factor = 1.0 if r == c else 2.0
            u = adjoint[table[0, TAIL_U] + (z + c) * m + z + r]
            total += factor * A[table[0, CROSS] + c * (nx + 1) + r] * u
    return total
