"""Products with matrices that are block diagonal over groups of rows; see the package."""

from __future__ import annotations

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGER, INTEGERS, LEVELS, MATRIX, NOTHING, REALS, TABLE
from numbamm.blocks.layout import (
    COLUMN,
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
    ROW,
    P,
)


@jit(takes=(REALS, INTEGERS, INTEGERS, INTEGER, MATRIX, MATRIX), gives=NOTHING)
def multiply(Q, offset, start, band, rows, out):
    """out = Q rows, group by group.

    Parameters
    ----------
    Q : float64
        The flat buffer of symmetric matrices.
    offset : int64, shape (groups,)
    start : int64, shape (groups + 1,)
    band : int
    rows, out : float64, shape (n, columns)
        They do not share memory.
    """
    ncolumn = rows.shape[1]
    out[:, :] = 0.0
    for g in range(len(offset)):
        first, m, at = start[g], start[g + 1] - start[g], offset[g]
        stride, shift, reach = (m, 0, m) if band < 0 else (1, 1, band)
        for a in range(m):
            for b in range(max(0, a - reach), a + 1):
                q = Q[at + a * stride + b + shift]
                for c in range(ncolumn):
                    out[first + a, c] += q * rows[first + b, c]
                if b < a:
                    for c in range(ncolumn):
                        out[first + b, c] += q * rows[first + a, c]


@jit(takes=(REALS, INTEGERS, MATRIX), gives=NOTHING)
def colour(rho, start, rows):
    """rows := C rows for chains, whose rows have the correlations rho with those before them.

    C = KK' with K = (B'B)⁻¹'s factor B⁻¹, Bv = (v_t - ρ_t v_{t-1}) / √(1 - ρ_t²): two recursions.

    Parameters
    ----------
    rho : float64, shape (n,)
        0 in the first row of a group.
    start : int64, shape (groups + 1,)
    rows : float64, shape (n, columns)
        Changed in place.
    """
    ncolumn = rows.shape[1]
    for g in range(len(start) - 1):
        for t in range(start[g + 1] - 1, start[g] - 1, -1):  # B'⁻¹
            root = (1.0 - rho[t] * rho[t]) ** 0.5
            for c in range(ncolumn):
                if t + 1 < start[g + 1]:
                    below = rho[t + 1] / (1.0 - rho[t + 1] * rho[t + 1]) ** 0.5
                    rows[t, c] += below * rows[t + 1, c]
                rows[t, c] *= root
        for t in range(start[g], start[g + 1]):  # B⁻¹
            root = (1.0 - rho[t] * rho[t]) ** 0.5
            for c in range(ncolumn):
                rows[t, c] *= root
                if t > start[g]:
                    rows[t, c] += rho[t] * rows[t - 1, c]


@jit(
    takes=(LEVELS, *4 * (MATRIX,), REALS, INTEGERS, INTEGERS, INTEGER, TABLE, REALS), gives=NOTHING
)
def crossprod(refs, z, zq, xy, xyq, Q, offset, start, band, table, A):
    """Fill A = [Z X y]'Q[Z X y] but for the block of X and y, which is left at zero.

    Parameters
    ----------
    refs : int32, shape (K, n)
        Level of each row for each term, in the table's order.
    z, xy : float64, shape (n, sum of p) and (n, nx + 1)
        The rows, divided by their standard deviations.
    zq, xyq : float64
        Q times these; of `zq` only the columns of head terms are read.
    Q, offset, start, band
        The inverse correlations; see the package.
    table : int64
        That of a layout for correlated rows: each group lies within one level of every head term,
        and the blocks between the tail's terms are dense, a term's own included.
    A : float64, shape (size_a,)
    """
    nterm, nhead, nx, m = table[0, NTERM], table[0, NHEAD], table[0, NX], table[0, ORDER]
    A[:] = 0.0
    for k in range(nterm):
        p, nd, d0, column = (
            table[1 + k, P],
            table[1 + k, ND],
            table[1 + k, D0],
            table[1 + k, COLUMN],
        )
        zk, other = (zq, xy) if k < nhead else (z, xyq)
        if k < nhead:
            _head(k, refs, z, zq, table, A)
        for row in range(len(xy)):
            for b in range(p):
                at = table[1 + k, DENSE] + (refs[k, row] * p + b) * nd + m - nx - 1 - d0
                for c in range(nx + 1):
                    A[at + c] += other[row, c] * zk[row, column + b]
    if nhead < nterm:
        _tail(refs, z, Q, offset, start, band, table, A)


@jit
def _head(k, refs, z, zq, table, A):
    """The blocks of head term k with itself, and with all other terms."""
    nterm, nhead = table[0, NTERM], table[0, NHEAD]
    p, nd, d0, column = table[1 + k, P], table[1 + k, ND], table[1 + k, D0], table[1 + k, COLUMN]
    for i in range(k, nterm):
        pi, column_i = table[1 + i, P], table[1 + i, COLUMN]
        for row in range(len(z)):
            if i < nhead:  # row-major p_i × p blocks
                at, step, step_b = table[1 + k, DIAG] + refs[k, row] * p * p, p, 1
                if i > k:
                    at = table[1 + nterm + k * nhead + i, NESTED] + refs[k, row] * pi * p
            else:
                at = table[1 + k, DENSE] + refs[k, row] * p * nd
                at += table[1 + i, ROW] - d0 + refs[i, row] * pi
                step, step_b = 1, nd
            for a in range(pi):
                for b in range(p):
                    A[at + a * step + b * step_b] += z[row, column_i + a] * zq[row, column + b]


@jit
def _tail(refs, z, Q, offset, start, band, table, A):
    """The blocks between the tail's terms: every pair of rows of a group has its share."""
    nterm, nhead = table[0, NTERM], table[0, NHEAD]
    for g in range(len(offset)):
        first, m = start[g], start[g + 1] - start[g]
        stride, shift, reach = (m, 0, m) if band < 0 else (1, 1, band)
        for a in range(m):
            for b in range(max(0, a - reach), min(m, a + reach + 1)):
                at = offset[g] + max(a, b) * stride + min(a, b) + shift
                _pair(first + a, first + b, Q[at], refs, z, table, A, nhead, nterm)


@jit
def _pair(s, t, q, refs, z, table, A, nhead, nterm):
    """Add q z(s) z(t)' to the blocks below the levels of row t."""
    for k in range(nhead, nterm):
        p, nd, column = table[1 + k, P], table[1 + k, ND], table[1 + k, COLUMN]
        for i in range(k, nterm):
            pi, column_i = table[1 + i, P], table[1 + i, COLUMN]
            row = table[1 + i, ROW] - table[1 + k, D0] + refs[i, s] * pi
            for b in range(p):
                factor = q * z[t, column + b]
                at = table[1 + k, DENSE] + (refs[k, t] * p + b) * nd + row
                for a in range(pi):
                    A[at + a] += factor * z[s, column_i + a]
        if refs[k, s] == refs[k, t]:
            at = table[1 + k, DIAG] + refs[k, t] * p * p
            for a in range(p):
                for b in range(p):
                    A[at + a * p + b] += q * z[s, column + a] * z[t, column + b]


@jit(takes=(LEVELS, MATRIX, MATRIX, TABLE, MATRIX, MATRIX), gives=NOTHING)
def transposed_products(refs, z, G, table, head, tail):
    """Z'G of the terms, rows of effects in the table's order; X is left alone.

    Parameters
    ----------
    refs, z, table
        As for `crossprod`.
    G : float64, shape (n, columns)
    head : float64, shape (random effects of the head, columns)
        Added to.
    tail : float64, shape (m, columns)
        Added to.
    """
    start = 0
    for k in range(table[0, NTERM]):
        p, column = table[1 + k, P], table[1 + k, COLUMN]
        out, first = (head, start) if k < table[0, NHEAD] else (tail, table[1 + k, ROW])
        start += p * table[1 + k, NLEVEL]
        for row in range(len(G)):
            for a in range(p):
                at = first + refs[k, row] * p + a
                for c in range(G.shape[1]):
                    out[at, c] += z[row, column + a] * G[row, c]
