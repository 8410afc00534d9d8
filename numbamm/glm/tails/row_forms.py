"""h_i = z_i'Λ M⁻¹ Λ'z_i of all rows, by random probes where M has an iterative tail.

M = Λ'Z'WZΛ + I. Its head is one term, eliminated level by level: with K_j = λL_jj⁻ᵀL_jj⁻¹λ' of the
row's level j, and the row as the tail sees it, w_i = z_iT - C_Tj K_j z_ij,

    h_i = z_ij'K_j z_ij + w_i'U w_i

U is known but for S̃⁻¹ (`blocks.tail.approximation`), in whose place stand columns: pairs of a
solution and of what it is of. What follows from the blocks on the diagonal is known, so that they
stand for the rest, S̃⁻¹ - I.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.cholesky import lambda_over_factor
from numbamm.blocks.jit import FUSE, jit
from numbamm.blocks.kinds import INDEX, INTEGER, INTEGERS, LEVELS, MATRIX, REALS, TABLE
from numbamm.blocks.layout import (
    COLUMN,
    DENSE,
    DIAG,
    FIRST_DENSE,
    LAMBDA,
    ND,
    NSPARSE,
    NTERM,
    PLACES,
    ROW,
    ROWPTR,
    ROWS,
    SPARSE,
    P,
)


@jit(
    takes=(
        *(TABLE, INDEX, REALS, REALS, MATRIX, INTEGER, REALS, INTEGERS, INTEGERS),
        *(INTEGER, INTEGER, MATRIX, REALS, REALS),
    ),
    owns=True,
    fastmath=FUSE,
)
def head_columns(table, index, A, work, V, pairs, U, local, place, start, stop, out, own, known):
    """Continue columns of the tail into levels of the head's only term.

    Parameters
    ----------
    table, index, A, work
        As `reduction.reduce` leaves them.
    V : float64, shape (order of S, columns)
        The last columns, after `pairs` many, are those in which a row of D is one.
    pairs : int
    U : float64
        Blocks on the diagonal, ΦΦ'; see `level_blocks`.
    local, place
        See `level_blocks`.
    start, stop : int
        The levels.
    out : float64, shape (order of the head, columns)
        Filled with b_j = -K_j q.
    own, known : float64, shape (levels × p²,)
        Filled with K_j, and K_j E_j K_j of E_j = C_Sj'U C_Sj.
    """
    p, nd = table[1, P], table[1, ND]
    rows = index[table[1, ROWS] : table[1, ROWS] + table[1, NSPARSE]]
    sparse = A[table[1, SPARSE] : table[1, SPARSE] + len(rows) * p]
    lam = work[table[1, LAMBDA] : table[1, LAMBDA] + p * p]
    columns = V.shape[1]
    q, M, E, EK = np.empty((p, columns)), np.empty(p * p), np.empty((p, p)), np.empty((p, p))
    for level in range(start, stop):
        at = table[1, DIAG] + level * p * p
        lambda_over_factor(lam, work[at : at + p * p], p, M)
        K = own[level * p * p : (level + 1) * p * p].reshape(p, p)
        for a in range(p):
            for b in range(p):
                total = 0.0
                for e in range(p):
                    total += M[a * p + e] * M[b * p + e]
                K[a, b] = total
                E[a, b] = 0.0
        for a in range(p):
            for j in range(columns):
                q[a, j] = 0.0
            for j in range(pairs, columns):
                q[a, j] = A[table[1, DENSE] + (level * p + a) * nd + j - pairs]
        first, last = index[table[1, ROWPTR] + level], index[table[1, ROWPTR] + level + 1]
        for s in range(first, last):
            r = rows[s]
            row, block = V[r], s - local[r]
            for a in range(p):
                factor, target = sparse[s * p + a], q[a]
                for j in range(columns):
                    target[j] += factor * row[j]
            for other in range(block, s + 1):
                u = U[place[r] + other - block]
                for a in range(p):
                    for b in range(p):
                        x = u * sparse[s * p + a] * sparse[other * p + b]
                        E[a, b] += x
                        if other < s:
                            E[b, a] += x
        for a in range(p):
            target = out[level * p + a]
            for j in range(columns):
                target[j] = 0.0
            for e in range(p):
                factor, row = K[a, e], q[e]
                for j in range(columns):
                    target[j] -= factor * row[j]
        KEK = known[level * p * p : (level + 1) * p * p].reshape(p, p)
        for a in range(p):
            for b in range(p):
                total = 0.0
                for e in range(p):
                    total += E[a, e] * K[e, b]
                EK[a, b] = total
        for a in range(p):
            for b in range(p):
                total = 0.0
                for e in range(p):
                    total += K[a, e] * EK[e, b]
                KEK[a, b] = total


@jit(
    takes=(
        *(TABLE, LEVELS, MATRIX, LEVELS, REALS, REALS, INTEGERS, INTEGERS),
        *(MATRIX, MATRIX, INTEGER, REALS, MATRIX, REALS, REALS, INTEGER, INTEGER, REALS),
    ),
    owns=True,
    fastmath=FUSE,
)
def row_forms(
    table,
    refs,
    z,
    places,
    A,
    U,
    local,
    place,
    V,
    head,
    count,
    shares,
    Q,
    own,
    known,
    start,
    stop,
    h,
):
    """Fill h of some rows.

    Parameters
    ----------
    table, refs, z, places, A
        Layout, and rows without weights; see `glm.working`.
    U, local, place
        As for `head_columns`.
    V, head : float64, shape (..., columns)
        Columns of the tail, and their continuation: `count` solutions, as many columns of which
        they are, and one for each row of D's terms.
    count : int
    shares : float64, shape (count,)
        How much each pair counts.
    Q : float64, shape (order of D's terms, the same)
        U of these rows.
    own, known : float64
        From `head_columns`.
    start, stop : int
        The rows.
    h : float64, shape (n,)
    """
    nterm, first_dense, p = table[0, NTERM], table[0, FIRST_DENSE], table[1, P]
    columns, order = V.shape[1], len(V)
    s, Kz = np.empty(columns), np.empty(p)
    for i in range(start, stop):
        level = refs[0, i]
        total = 0.0
        at = level * p * p
        for a in range(p):
            Kz[a] = 0.0
            for b in range(p):
                Kz[a] += own[at + a * p + b] * z[i, b]
        for a in range(p):
            total += z[i, a] * Kz[a]
            for b in range(p):
                total += z[i, a] * known[at + a * p + b] * z[i, b]
        for j in range(columns):
            s[j] = 0.0
        for a in range(p):
            factor, row = z[i, a], head[level * p + a]
            for j in range(columns):
                s[j] += factor * row[j]
        pair = table[1, PLACES]
        for k in range(1, first_dense):
            pk, column = table[1 + k, P], table[1 + k, COLUMN]
            r = table[1 + k, ROW] + refs[k, i] * pk
            C = table[1, SPARSE] + places[pair, i] * p
            for a in range(pk):
                factor, row = z[i, column + a], V[r + a]
                for j in range(columns):
                    s[j] += factor * row[j]
                for b in range(pk):
                    u = U[place[r + a] + b]
                    inner = z[i, column + b]
                    for e in range(p):
                        inner -= 2.0 * A[C + b * p + e] * Kz[e]
                    total += factor * u * inner
            pair += 1
        for k in range(first_dense, nterm):
            pk, column = table[1 + k, P], table[1 + k, COLUMN]
            r = 2 * count + table[1 + k, ROW] - order + refs[k, i] * pk
            for a in range(pk):
                s[r + a] += z[i, column + a]
        for j in range(count):
            total += shares[j] * (s[j] - s[count + j]) * s[count + j]
        for a in range(len(Q)):
            for b in range(len(Q)):
                total += s[2 * count + a] * Q[a, b] * s[2 * count + b]
        h[i] = total
