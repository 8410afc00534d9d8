"""N of head terms, as far as the tail contributes to it, from columns of the tail.

N_k = Σ_levels Z_j'PZ_j - c_j c_j'/σ² for c = Z'Py. The first part follows from the head alone but
for what the tail explains. For a column b of the tail, continued into the head by back
substitution, let c_j(b) = -Z_j'Z b be what it leaves of level j's rows: with q = C_Bj'b over the
rows B below,

    b_j = -M M'q      c_j = -(I - C_jj M M') q      M = λL_jj⁻ᵀ

Then N_k loses Σ_levels c_j(b) c_j(b')' for each pair of columns whose sum of products b b'' is the
tail's U, or is so in expectation.

The kernel is long on purpose: with its loops over columns as functions of their own it took 14 to
17 % more time.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.cholesky import columns_left, lambda_over_factor
from numbamm.blocks.jit import FUSE, jit
from numbamm.blocks.kinds import (
    FLAG,
    INDEX,
    INTEGER,
    INTEGERS,
    MATRIX,
    REALS,
    TABLE,
)
from numbamm.blocks.layout import (
    DENSE,
    DIAG,
    LAMBDA,
    ND,
    NESTED,
    NHEAD,
    NLEVEL,
    NSPARSE,
    NTERM,
    PARENT,
    ROWPTR,
    ROWS,
    SPARSE,
    P,
)


@jit(
    takes=(
        INTEGER,
        INTEGER,
        INTEGER,
        TABLE,
        INDEX,
        REALS,
        REALS,
        MATRIX,
        INTEGER,
        MATRIX,
        MATRIX,
        MATRIX,
        MATRIX,
        FLAG,
        REALS,
        INTEGERS,
        INTEGERS,
    ),
    owns=True,
    fastmath=FUSE,
)
def head_normals(
    k, start, stop, table, index, A, work, V, R, Q, later, pairs, fixed, centred, U, local, place
):
    """Add up what some levels of head term k lose of N, for each probe.

    Parameters
    ----------
    k, start, stop : int
        The term, and its levels.
    table, index, A, work
        As `reduction.reduce` leaves them.
    V : float64, shape (order of S, columns)
        Columns of the tail: R of solutions of probes, R of the probes, and one for each row of D,
        in which that row is one.
    R : int
        Number of probes.
    Q : float64, shape (order of D, order of D)
        Covariance of the columns of D.
    later : float64, shape (order of the head without the first term, columns)
        b of later terms; filled for this one unless it is the first.
    pairs : float64, shape (p², R)
        Added to: c(solution) c(probe)' of each probe.
    fixed : float64, shape (2, p²)
        Added to: what D's columns give; and, if `centred`, what follows from the blocks on the
        diagonal alone, which `pairs` then lacks, so that its expectation remains the same.
    centred : bool
        Whether `pairs` is of (solution - probe).
    U : float64
        Blocks on the diagonal whose share is known; see `level_blocks`.
    local, place
        See `level_blocks`.
    """
    nterm, nhead, p = table[0, NTERM], table[0, NHEAD], table[1 + k, P]
    nd, columns = table[1 + k, ND], V.shape[1]
    C = columns_left(k, table, A, work)
    lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
    rows = index[table[1 + k, ROWS] : table[1 + k, ROWS] + table[1 + k, NSPARSE]]
    sparse = C[table[1 + k, SPARSE] : table[1 + k, SPARSE] + len(rows) * p]
    own = 0
    for i in range(1, k):
        own += table[1 + i, P] * table[1 + i, NLEVEL]
    behind = own + (p * table[1 + k, NLEVEL] if k > 0 else 0)
    q, c, t = np.empty((p, columns)), np.empty((p, columns)), np.empty((p, columns))
    M, K, E = np.empty(p * p), np.empty((p, p)), np.empty((p, p))
    D, CK = np.empty((p, p)), np.empty((p, p))
    for level in range(start, stop):
        at = table[1 + k, DIAG] + level * p * p
        C_jj = C[at : at + p * p]
        lambda_over_factor(lam, work[at : at + p * p], p, M)
        _shrinkage(C_jj, M, p, K, CK)
        at = table[1 + k, DENSE] + level * p * nd
        for a in range(p):
            for j in range(2 * R):
                q[a, j] = 0.0
            for j in range(nd):
                q[a, 2 * R + j] = C[at + a * nd + j]
        first = index[table[1 + k, ROWPTR] + level]
        last = index[table[1 + k, ROWPTR] + level + 1]
        for s in range(first, last):
            row = V[rows[s]]
            for a in range(p):
                factor, target = sparse[s * p + a], q[a]
                for j in range(columns):
                    target[j] += factor * row[j]
        up = behind
        for i in range(k + 1, nhead):
            pi, pair = table[1 + i, P], 1 + nterm + k * nhead + i
            parent = up + index[table[pair, PARENT] + level] * pi
            at = table[pair, NESTED] + level * pi * p
            for e in range(pi):
                row = later[parent + e]
                for a in range(p):
                    factor, target = C[at + e * p + a], q[a]
                    for j in range(columns):
                        target[j] += factor * row[j]
            up += pi * table[1 + i, NLEVEL]
        for a in range(p):
            for j in range(columns):
                c[a, j] = q[a, j]
            for e in range(p):
                factor, row, target = CK[a, e], q[e], c[a]
                for j in range(columns):
                    target[j] -= factor * row[j]
        if k > 0:
            for a in range(p):
                target = later[own + level * p + a]
                for j in range(columns):
                    target[j] = 0.0
                for e in range(p):
                    factor, row = K[a, e], q[e]
                    for j in range(columns):
                        target[j] -= factor * row[j]
        for a in range(p):
            for b in range(p):
                left, right, out = c[a], c[b], pairs[a * p + b]
                for j in range(R):
                    x, z = left[j], right[R + j]
                    if centred:
                        x -= left[R + j]
                    out[j] += x * z
        _add_fixed(c, t, Q, R, p, nd, fixed)
        if centred:
            _known_blocks(sparse, rows, first, last, p, U, local, place, E)
            _add_known(CK, E, D, p, fixed)


@jit(fastmath=FUSE)
def _known_blocks(sparse, rows, first, last, p, U, local, place, E):
    """E = C_Bj' U C_Bj over the blocks of the tail's U that are known."""
    for a in range(p):
        for b in range(p):
            E[a, b] = 0.0
    for s in range(first, last):
        r = rows[s]
        block = s - local[r]
        for other in range(block, s + 1):
            u = U[place[r] + other - block]
            for a in range(p):
                for b in range(p):
                    x = u * sparse[s * p + a] * sparse[other * p + b]
                    E[a, b] += x
                    if other < s:
                        E[b, a] += x


@jit(fastmath=FUSE)
def _add_known(CK, E, D, p, fixed):
    """fixed[1] += D E D', with D = I - C K."""
    for a in range(p):
        for b in range(p):
            D[a, b] = (1.0 if a == b else 0.0) - CK[a, b]
    for a in range(p):
        for b in range(p):
            total = 0.0
            for e in range(p):
                for f in range(p):
                    total += D[a, e] * E[e, f] * D[b, f]
            fixed[1, a * p + b] += total


@jit
def _shrinkage(C, M, p, K, CK):
    """K = M M', and C K."""
    for a in range(p):
        for b in range(p):
            total = 0.0
            for e in range(p):
                total += M[a * p + e] * M[b * p + e]
            K[a, b] = total
    for a in range(p):
        for b in range(p):
            total = 0.0
            for e in range(p):
                total += C[a * p + e] * K[e, b]
            CK[a, b] = total


@jit
def _add_fixed(c, t, Q, R, p, nd, fixed):
    """fixed[0] += c Q c' over the columns of D."""
    for a in range(p):
        for i in range(nd):
            total = 0.0
            for j in range(nd):
                total += Q[i, j] * c[a, 2 * R + j]
            t[a, i] = total
    for a in range(p):
        for b in range(p):
            total = 0.0
            for i in range(nd):
                total += t[a, i] * c[b, 2 * R + i]
            fixed[0, a * p + b] += total
