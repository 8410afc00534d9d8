"""The blocked Cholesky factor L(θ) of Ω = Λ̃'AΛ̃ + I, and the objective that it gives.

The head is factored level by level (left-looking), the tail by one dense factorisation. Rows are
not multiplied by Λ' until their own columns are eliminated: with C the part of A that remains after
the elimination of the preceding levels (a Schur complement),

    Ω_jj = λ_j' C_jj λ_j + I = L_jj L_jj'        M = λ_j L_jj⁻ᵀ
    B_ij = C_ij M                                 C_ii' -= B_ij B_i'j'

so that L_ij = Λ_i' B_ij. The tail's rows are multiplied by Λ' once, after the head's elimination,
instead of once for every block. This is exact also for a singular λ, since nothing is divided by λ.

The file is long because blocks of one and two columns, and small tails, have loops of their own.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, INTEGERS, NUMBER, REALS, TABLE
from numbamm.blocks.lapack import (
    LEFT,
    LOWER,
    NO,
    RIGHT,
    TRANSPOSED,
    UPPER,
    dpotrf,
    dsyrk,
    dtrmm,
    dtrsm,
)
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
    NTHETA,
    NX,
    ORDER,
    PARENT,
    POINTS,
    POSITION,
    ROW,
    ROWPTR,
    ROWS,
    SCHUR,
    SCRATCH,
    SPARSE,
    TAIL,
    THETA,
    P,
)
from numbamm.blocks.vectors import REASSOCIATE, copy, dot, scale

# Positions in `degrees`: d, the number of rows, less the rank of X under REML; and 1 under REML.
DEGREES, REML = range(2)

# A dense tail below this order is factored by plain loops: a LAPACK call costs more.
SMALL = 6
# The square of a block of n columns and k rows is made by plain loops if n²k is at most this.
FEW = 350
#: Order of the blocks in which a larger tail is factored.
BLOCK = 48
#: Levels of terms with more columns have so many pivots that these are not multiplied.
WIDE = 8


@jit(takes=(REALS, TABLE, INDEX, REALS, REALS, INTEGERS, NUMBER, NUMBER))
def objective(theta, table, index, A, work, degrees, constant, sigma):
    """-2 log-likelihood or REML criterion at θ, with β and σ profiled out.

    ::

        logdet + d (1 + log(2π r²/d)) + constant              σ estimated
        logdet + r²/σ² + d log(2πσ²)  + constant              σ given

    Parameters
    ----------
    theta : float64, shape (number of θ,)
    table, index, A
        Layout and cross-product; only read.
    work : float64, shape (size_work,)
        Filled with L(θ). Each thread has its own.
    degrees : int64, shape (2,)
        d; and 1 if the X rows enter the log-determinant (REML), else 0.
    constant : float64
        Terms that do not depend on θ: -Σ log w, and the scaling of X under REML.
    sigma : float64
        The residual standard deviation, on the scale of y in A, if given; else 0.

    Returns
    -------
    float64
        The objective; NaN if Ω is not positive definite to working precision.
    """
    logdet = factorize(theta, table, index, A, work)
    return criterion(logdet, table, work, degrees, constant, sigma)


@jit(entry=False)
def criterion(logdet, table, work, degrees, constant, sigma):
    """The objective, from log|L_Z|² and the rows of X and y of the factor."""
    m, nx, d = table[0, ORDER], table[0, NX], degrees[DEGREES]
    tail = work[table[0, TAIL] : table[0, TAIL] + m * m]
    if not logdet < np.inf and table[0, NTERM] > 0:
        work[table[1, LAMBDA]] = np.nan  # the factorisation failed: see `factored`
    if degrees[REML] != 0:
        for i in range(m - nx - 1, m - 1):
            logdet += 2.0 * math.log(tail[i * m + i])
    r2 = tail[m * m - 1] * tail[m * m - 1]
    if sigma > 0.0:
        return logdet + r2 / (sigma * sigma) + d * math.log(2.0 * math.pi * sigma**2) + constant
    return logdet + d * (1.0 + math.log(2.0 * math.pi * r2 / d)) + constant


@jit(entry=False)
def factorize(theta, table, index, A, work):
    """Fill `work` with L(θ); returns log|L_Z|², the log-determinant of the Z rows, or NaN."""
    logdet = eliminate_head(theta, table, index, A, work)
    return logdet + factor_tail(table, work)


@jit(entry=False, takes=(REALS, TABLE, INDEX, REALS, REALS), gives=NUMBER)
def eliminate_head(theta, table, index, A, work):
    """Compute the head's part of L(θ) and the tail's Schur complement; returns log|L_head|²."""
    nhead = table[0, NHEAD]
    set_lambda(theta, table, index, work)
    _load_tail(table, index, A, work)
    for k in range(1, nhead):
        load_head(k, table, A, work)
    logdet = 0.0
    for k in range(nhead):
        logdet += eliminate_levels(k, table, index, A, work)
        _update_tail(k, table, index, work)
        for i in range(k + 1, nhead):
            update_head(k, i, table, index, work)
    return logdet


@jit(entry=False)
def set_lambda(theta, table, index, work):
    """Fill `work` with λ(θ) of every term."""
    for k in range(table[0, NTERM]):
        start = table[1 + k, LAMBDA]
        work[start : start + table[1 + k, P] ** 2] = 0.0
    places = index[table[0, THETA] : table[0, THETA] + table[0, NTHETA]]
    for t in range(len(theta)):
        work[places[t]] = theta[t]


def factored(table, index, work) -> np.ndarray:
    """The θ whose L is in `work`, shape (number of θ,); it contains NaN if there is none."""
    return work[index[table[0, THETA] : table[0, THETA] + table[0, NTHETA]]]


# ---- the tail -----------------------------------------------------------------------------


@jit
def _load_tail(table, index, A, work):
    """Copy the tail's part of A into the lower triangle of T."""
    nterm, nhead, m, nx = table[0, NTERM], table[0, NHEAD], table[0, ORDER], table[0, NX]
    tail = work[table[0, TAIL] : table[0, TAIL] + m * m]
    for k in range(nhead, nterm):
        p, first = table[1 + k, P], table[1 + k, ROW]
        nd, d0 = table[1 + k, ND], table[1 + k, D0]
        width = p * table[1 + k, NLEVEL]
        diagonal = A[table[1 + k, DIAG] : table[1 + k, DIAG] + p * width]
        sparse = A[table[1 + k, SPARSE] : table[1 + k, SPARSE] + table[1 + k, NSPARSE] * p]
        dense = A[table[1 + k, DENSE] : table[1 + k, DENSE] + nd * width]
        rowptr = index[table[1 + k, ROWPTR] : table[1 + k, ROWPTR] + table[1 + k, NLEVEL] + 1]
        rows = index[table[1 + k, ROWS] : table[1 + k, ROWS] + table[1 + k, NSPARSE]]
        for level in range(table[1 + k, NLEVEL]):
            for b in range(p):
                c = level * p + b
                column = tail[(first + c) * m : (first + c + 1) * m]
                column[first + c : d0] = 0.0
                for a in range(b, p):
                    column[first + level * p + a] = diagonal[(level * p + a) * p + b]
                for s in range(rowptr[level], rowptr[level + 1]):
                    column[rows[s]] = sparse[s * p + b]
                copy(dense[c * nd : (c + 1) * nd], column[d0:])
    cross = A[table[0, CROSS] : table[0, CROSS] + (nx + 1) * (nx + 1)]
    z = m - nx - 1
    for c in range(nx + 1):
        for r in range(c, nx + 1):
            tail[(z + c) * m + z + r] = cross[c * (nx + 1) + r]


@jit
def _scale_tail(table, work):
    """T := Λ'TΛ + I on its Z rows."""
    nterm, nhead, m = table[0, NTERM], table[0, NHEAD], table[0, ORDER]
    tail = work[table[0, TAIL] : table[0, TAIL] + m * m]
    for k in range(nhead, nterm):
        p, first = table[1 + k, P], table[1 + k, ROW]
        lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
        for level in range(table[1 + k, NLEVEL]):
            at = first + level * p
            columns = tail[at * m : (at + p) * m]
            for b in range(p):  # complete the level's own block, whose upper half the products read
                for a in range(b):
                    columns[b * m + at + a] = columns[a * m + at + b]
            _times_lambda(columns, lam, p, m, at)
            _lambda_times(columns, k, table, work, p, m, at)
            for b in range(p):
                columns[b * m + at + b] += 1.0


@jit
def _times_lambda(columns, lam, p, m, at):
    """The p columns of one level, from row `at` on, times λ; column b needs columns a ≥ b only."""
    if p > POINTS:  # λ is row-major: λ' is an upper triangle
        dtrmm(RIGHT, UPPER, TRANSPOSED, NO, m - at, p, 1.0, lam, p, columns[at:], m)
        return
    for b in range(p):
        target = columns[b * m + at : (b + 1) * m]
        scale(target, lam[b * p + b])
        for a in range(b + 1, p):
            factor = lam[a * p + b]
            if factor != 0.0:
                source = columns[a * m + at : (a + 1) * m]
                for r in range(len(target)):
                    target[r] += factor * source[r]


@jit
def _lambda_times(columns, k, table, work, p, m, at):
    """λ' times every Z row of the p columns, from row `at` on, level by level."""
    for i in range(k, table[0, NTERM]):
        pi = table[1 + i, P]
        lam = work[table[1 + i, LAMBDA] : table[1 + i, LAMBDA] + pi * pi]
        stop = table[1 + i, ROW] + pi * table[1 + i, NLEVEL]
        start = max(at, table[1 + i, ROW])
        if pi > POINTS:
            for r in range(start, stop, pi):
                dtrmm(LEFT, UPPER, NO, NO, pi, p, 1.0, lam, pi, columns[r:], m)
            continue
        for b in range(p):
            column = columns[b * m + start : b * m + stop]
            if pi == 1:
                scale(column, lam[0])
                continue
            for r in range(0, len(column), pi):
                for c in range(pi):
                    total = 0.0
                    for a in range(c, pi):
                        total += lam[a * pi + c] * column[r + a]
                    column[r + c] = total


@jit(entry=False, takes=(TABLE, REALS), gives=NUMBER)
def factor_tail(table, work):
    """Cholesky factor of Λ'TΛ + I in T; returns the log-determinant of its Z rows, or NaN."""
    _scale_tail(table, work)
    m, nx = table[0, ORDER], table[0, NX]
    tail = work[table[0, TAIL] : table[0, TAIL] + m * m]
    if lower_factor(tail, m):
        return np.nan
    logdet, product = 0.0, 1.0
    for i in range(m - nx - 1):
        product *= tail[i * m + i]
        if product > 1e150:
            logdet += math.log(product)
            product = 1.0
    return 2.0 * (logdet + math.log(product))


@jit(entry=False)
def lower_factor(a, n):
    """Cholesky factor of a column-major matrix, lower triangle; True if it fails.

    Block by block: a fifth faster than OpenBLAS's own dpotrf, whose blocks are few and large.
    """
    if n <= SMALL:
        return _small_cholesky(a, n)
    for start in range(0, n, BLOCK):
        width = min(BLOCK, n - start)
        diagonal = a[start * n + start :]
        if dpotrf(LOWER, width, diagonal, n) != 0:
            return True
        rest = n - start - width
        if rest > 0:
            below, corner = diagonal[width:], diagonal[width * n + width :]
            dtrsm(RIGHT, LOWER, TRANSPOSED, NO, rest, width, 1.0, diagonal, n, below, n)
            dsyrk(LOWER, NO, rest, width, -1.0, below, n, 1.0, corner, n)
    return False


@jit
def _small_cholesky(a, n):
    """Cholesky factor of a small column-major matrix, lower triangle; True if it fails."""
    for j in range(n):
        pivot = a[j * n + j]
        for k in range(j):
            pivot -= a[k * n + j] ** 2
        if not pivot > 0.0:
            return True
        pivot = math.sqrt(pivot)
        a[j * n + j] = pivot
        for i in range(j + 1, n):
            total = a[j * n + i]
            for k in range(j):
                total -= a[k * n + i] * a[k * n + j]
            a[j * n + i] = total / pivot
    return False


# ---- the head -----------------------------------------------------------------------------


@jit(entry=False)
def load_head(k, table, A, work):
    """Copy the blocks of head term k into `work`, where preceding terms will update them."""
    nterm, nhead, p = table[0, NTERM], table[0, NHEAD], table[1 + k, P]
    width = p * table[1 + k, NLEVEL]
    C = work[table[0, SCHUR] :]
    _copy(A, C, table[1 + k, DIAG], p * width)
    _copy(A, C, table[1 + k, SPARSE], table[1 + k, NSPARSE] * p)
    _copy(A, C, table[1 + k, DENSE], table[1 + k, ND] * width)
    for i in range(k + 1, nhead):
        _copy(A, C, table[1 + nterm + k * nhead + i, NESTED], table[1 + i, P] * width)


@jit
def _copy(source, target, start, length):
    copy(source[start : start + length], target[start : start + length])


@jit(inline="always")  # what counts no references may return nothing but what it was given
def columns_left(k, table, A, work):
    """The buffer with the blocks of C of head term k; for the first term C is A itself."""
    return A if k == 0 else work[table[0, SCHUR] :]


@jit(entry=False)
def eliminate_levels(k, table, index, A, work):
    """Compute L_kk and B of head term k; returns log|L_kk|²."""
    nterm, nhead, p = table[0, NTERM], table[0, NHEAD], table[1 + k, P]
    nd, nlevel = table[1 + k, ND], table[1 + k, NLEVEL]
    C = columns_left(k, table, A, work)
    lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
    scratch = work[table[0, SCRATCH] :]
    M, strip = scratch[: p * p], scratch[p * p :]
    diagonal = table[1 + k, DIAG]
    dense = table[1 + k, DENSE]
    sparse = table[1 + k, SPARSE]
    rowptr = index[table[1 + k, ROWPTR] : table[1 + k, ROWPTR] + nlevel + 1]
    logdet, product = 0.0, 1.0
    for level in range(nlevel):
        at = diagonal + level * p * p
        L = work[at : at + p * p]
        pivots = level_factor(C[at : at + p * p], lam, p, L, M)
        if p > WIDE:  # even those of one level may overflow
            for a in range(p):
                logdet += math.log(L[a * p + a])
        else:
            product *= pivots
        if product > 1e150:
            logdet += math.log(product)
            product = 1.0
        at = dense + level * p * nd
        times_columns(C[at : at + p * nd], M, p, nd, work[at : at + p * nd], strip)
        length = (rowptr[level + 1] - rowptr[level]) * p
        if length > 0:
            at = sparse + rowptr[level] * p
            times_rows(C[at : at + length], M, p, work[at : at + length], strip)
        for i in range(k + 1, nhead):
            length = table[1 + i, P] * p
            at = table[1 + nterm + k * nhead + i, NESTED] + level * length
            times_rows(C[at : at + length], M, p, work[at : at + length], strip)
    return 2.0 * (logdet + math.log(product))


@jit(entry=False)
def level_factor(C, lam, p, L, M):
    """L = chol(λ'Cλ + I) and M = λL⁻ᵀ of one level (row-major); returns the product of pivots."""
    if p == 1:
        pivot = math.sqrt(lam[0] * lam[0] * C[0] + 1.0)
        L[0] = pivot
        M[0] = lam[0] / pivot
        return pivot
    if p == 2:
        return _pair_factor(C, lam, L, M)
    for a in range(p):  # M := Cλ for the moment
        for b in range(p):
            total = 0.0
            for c in range(b, p):
                total += C[a * p + c] * lam[c * p + b]
            M[a * p + b] = total
    product = 1.0
    for a in range(p):
        for b in range(a + 1):
            total = 1.0 if a == b else 0.0
            for c in range(a, p):
                total += lam[c * p + a] * M[c * p + b]
            for c in range(b):
                total -= L[a * p + c] * L[b * p + c]
            L[a * p + b] = math.sqrt(total) if a == b else total / L[b * p + b]
        product *= L[a * p + a]
    lambda_over_factor(lam, L, p, M)
    return product


@jit(forceinline=True)
def _pair_factor(C, lam, L, M):
    """`level_factor` for two columns, the most usual number beyond one."""
    across = C[2] * lam[0] + C[3] * lam[2]
    first = math.sqrt(lam[0] * (C[0] * lam[0] + C[1] * lam[2]) + lam[2] * across + 1.0)
    below = lam[3] * across / first
    second = math.sqrt(lam[3] * C[3] * lam[3] + 1.0 - below * below)
    L[0], L[2], L[3] = first, below, second
    M[0], M[2] = lam[0] / first, lam[2] / first
    M[1], M[3] = -M[0] * below / second, (lam[3] - M[2] * below) / second
    return first * second


@jit(entry=False)
def lambda_over_factor(lam, L, p, M):
    """M = λL⁻ᵀ."""
    for a in range(p):
        for b in range(p):
            total = lam[a * p + b] if b <= a else 0.0
            for c in range(b):
                total -= M[a * p + c] * L[b * p + c]
            M[a * p + b] = total / L[b * p + b]


@jit(entry=False)
def times_columns(C, M, p, nd, B, strip):
    """B = C M for a column-major nd × p block; C and B may be the same memory."""
    if p == 1:
        factor = M[0]
        for r in range(len(B)):
            B[r] = C[r] * factor
        return
    if p == 2:
        for r in range(nd):
            x, y = C[r], C[nd + r]
            B[r], B[nd + r] = x * M[0] + y * M[2], x * M[1] + y * M[3]
        return
    copied = strip[: nd * p]
    copy(C, copied)
    for b in range(p):
        target = B[b * nd : (b + 1) * nd]
        target[:] = 0.0
        for a in range(p):
            factor = M[a * p + b]
            column = copied[a * nd : (a + 1) * nd]
            for r in range(nd):
                target[r] += factor * column[r]


@jit(entry=False)
def times_rows(C, M, p, B, strip):
    """B = C M for row-major rows of p values; C and B may be the same memory."""
    if p == 1:
        factor = M[0]
        for r in range(len(B)):
            B[r] = C[r] * factor
        return
    row = strip[:p]
    for r in range(0, len(B), p):
        for a in range(p):
            row[a] = C[r + a]
        for b in range(p):
            total = 0.0
            for a in range(p):
                total += row[a] * M[a * p + b]
            B[r + b] = total


@jit
def _update_tail(k, table, index, work):
    """T -= B B' for the tail rows below head term k."""
    m, p, nlevel = table[0, ORDER], table[1 + k, P], table[1 + k, NLEVEL]
    nd, d0, nsparse = table[1 + k, ND], table[1 + k, D0], table[1 + k, NSPARSE]
    tail = work[table[0, TAIL] : table[0, TAIL] + m * m]
    dense = work[table[1 + k, DENSE] : table[1 + k, DENSE] + nd * p * nlevel]
    if nd * nd * p * nlevel <= FEW:
        _subtract_square(dense, nd, p * nlevel, tail[d0 * m + d0 :], m)
    else:
        dsyrk(LOWER, NO, nd, p * nlevel, -1.0, dense, nd, 1.0, tail[d0 * m + d0 :], m)
    if nsparse == 0:
        return
    rowptr = index[table[1 + k, ROWPTR] : table[1 + k, ROWPTR] + nlevel + 1]
    rows = index[table[1 + k, ROWS] : table[1 + k, ROWS] + nsparse]
    sparse = work[table[1 + k, SPARSE] : table[1 + k, SPARSE] + nsparse * p]
    for level in range(nlevel):
        start, stop = rowptr[level], rowptr[level + 1]
        here = rows[start:stop]
        values = sparse[start * p : stop * p]
        below = dense[level * p * nd : (level + 1) * p * nd]
        for b in range(len(here)):
            column = tail[here[b] * m : (here[b] + 1) * m]
            if p == 1:
                factor = values[b]
                for a in range(b, len(here)):
                    column[here[a]] -= factor * values[a]
            else:
                row = values[b * p : (b + 1) * p]
                for a in range(b, len(here)):
                    column[here[a]] -= dot(row, values[a * p : (a + 1) * p])
            subtract_columns(column[d0:], below, values[b * p : (b + 1) * p], nd)


@jit(fastmath=REASSOCIATE)
def _subtract_square(B, n, width, target, m):
    """target -= B B', lower triangle, by plain loops."""
    for c in range(n):
        for r in range(c, n):
            total = 0.0
            for j in range(width):
                total += B[j * n + c] * B[j * n + r]
            target[c * m + r] -= total


@jit(entry=False)
def update_head(k, i, table, index, work):
    """C_·i -= B_·k B_ik' for a later head term i, in which k is nested."""
    nterm, nhead = table[0, NTERM], table[0, NHEAD]
    p, pi, nlevel = table[1 + k, P], table[1 + i, P], table[1 + k, NLEVEL]
    pair = 1 + nterm + k * nhead + i
    parent = index[table[pair, PARENT] : table[pair, PARENT] + nlevel]
    position = index[table[pair, POSITION] : table[pair, POSITION] + table[1 + k, NSPARSE]]
    rowptr = index[table[1 + k, ROWPTR] : table[1 + k, ROWPTR] + nlevel + 1]
    nd, ndi = table[1 + k, ND], table[1 + i, ND]
    sparse, dense = table[1 + k, SPARSE], table[1 + k, DENSE]
    sparse_i, dense_i = table[1 + i, SPARSE], table[1 + i, DENSE]
    C = work[table[0, SCHUR] :]
    for level in range(nlevel):
        up = parent[level]
        at = table[pair, NESTED] + level * pi * p
        B = work[at : at + pi * p]
        at = table[1 + i, DIAG] + up * pi * pi
        _subtract_rows(C[at : at + pi * pi], B, B, p, pi)
        for j in range(i + 1, nhead):
            length = table[1 + j, P]
            at = table[1 + nterm + k * nhead + j, NESTED] + level * length * p
            to = table[1 + nterm + i * nhead + j, NESTED] + up * length * pi
            _subtract_rows(C[to : to + length * pi], work[at : at + length * p], B, p, pi)
        for s in range(rowptr[level], rowptr[level + 1]):
            at, to = sparse + s * p, sparse_i + position[s] * pi
            _subtract_rows(C[to : to + pi], work[at : at + p], B, p, pi)
        at, to = dense + level * p * nd, dense_i + up * pi * ndi
        for a in range(pi):
            target = C[to + a * ndi : to + (a + 1) * ndi]
            subtract_columns(target, work[at : at + p * nd], B[a * p : (a + 1) * p], nd)


@jit(forceinline=True)
def _subtract_rows(target, left, right, p, pi):
    """target -= left right' for row-major blocks: rows of pi, p and p values."""
    for r in range(len(target) // pi):
        for a in range(pi):
            total = 0.0
            for c in range(p):
                total += left[r * p + c] * right[a * p + c]
            target[r * pi + a] -= total


@jit(forceinline=True, entry=False)
def subtract_columns(target, block, row, nd):
    """target -= block row' for a column-major block of nd rows."""
    for c in range(len(row)):
        factor = row[c]
        column = block[c * nd : (c + 1) * nd]
        for r in range(nd):
            target[r] -= factor * column[r]
