"""The objective's gradient in θ, by reverse differentiation of the factor, last block first.

N_k = ∂objective/∂(λ_k λ_k') is symmetric. The gradient consists of the entries of G_k = 2 N_k λ_k
on the template:

    G_k = 2 Σ_levels [C Λ̃ S]_jj        S = L⁻ᵀ diag(w) L⁻¹
    w: 1 on Z rows, 0 (ML) or 1 (REML) on X rows, d (or r²/σ², σ given) on the y row

where C is the part of A that remains when the terms before k are eliminated. Instead of S the
kernels compute U = Λ̃SΛ̃', and only on the pattern of A. For a level j of a head term, with B for
all later rows, K = λL_jj⁻ᵀL_jj⁻¹λ' and D = (I + λλ'C_jj)⁻¹ = I - K C_jj,

    F = U_BB C_Bj      E = C_Bj'F
    U_Bj = -F K        U_jj = K + K E K        N_k += C_jj D - D'E D

This is exact also for a singular λ, since nothing is divided by λ.

Source of the method: Murray (2016), Differentiation of the Cholesky decomposition, arXiv
1602.07527.

The file is long since kernels that numba compiles as one entry point stand together.
"""

from __future__ import annotations

import math

from numbamm.blocks.cholesky import (
    DEGREES,
    REML,
    SMALL,
    columns_left,
    criterion,
    eliminate_head,
    factor_tail,
    lambda_over_factor,
    times_columns,
    times_rows,
)
from numbamm.blocks.invert import invert_lower
from numbamm.blocks.jit import REASSOCIATE, jit
from numbamm.blocks.kinds import FLAG, INDEX, INTEGERS, NOTHING, NUMBER, REALS, TABLE
from numbamm.blocks.lapack import (
    LEFT,
    LOWER,
    NO,
    RIGHT,
    TRANSPOSED,
    UPPER,
    dgemm,
    dlauum,
    dsymm,
    dtrmm,
)
from numbamm.blocks.layout import (
    D0,
    DENSE,
    DIAG,
    GRADIENT,
    LAMBDA,
    ND,
    NESTED,
    NHEAD,
    NLEVEL,
    NORMAL,
    NSPARSE,
    NTERM,
    NX,
    ORDER,
    PARENT,
    POINTS,
    POSITION,
    ROW,
    ROWPTR,
    ROWS,
    SCRATCH,
    SPARE,
    SPARSE,
    TAIL,
    TAIL_C,
    TAIL_U,
    THETA,
    P,
)
from numbamm.blocks.vectors import copy, dot, scale


@jit(takes=(REALS, TABLE, INDEX, *3 * (REALS,), INTEGERS, NUMBER, NUMBER, REALS))
def objective_gradient(theta, table, index, A, work, adjoint, degrees, constant, sigma, gradient):
    """The objective and its gradient in θ.

    Parameters
    ----------
    theta, table, index, A, work, degrees, constant, sigma
        As for `cholesky.objective`.
    adjoint : float64, shape (size_adjoint,)
        Filled with U (the lower triangle of the tail), G and N. Each thread has its own.
    gradient : float64, shape (number of θ,)
        Filled, unless the objective is NaN.

    Returns
    -------
    float64
        The objective; NaN if Ω is not positive definite to working precision.
    """
    value = evaluate(theta, table, index, A, work, adjoint, degrees, constant, sigma)
    if value == value:
        differentiate(table, index, A, work, adjoint, degrees, sigma, False)
        places = index[table[0, THETA] : table[0, THETA] + len(gradient)]
        for t in range(len(gradient)):
            gradient[t] = adjoint[table[0, GRADIENT] + places[t]]
    return value


@jit(entry=False)
def evaluate(theta, table, index, A, work, adjoint, degrees, constant, sigma):
    """The objective; fills `work` and `adjoint` with what `differentiate` needs."""
    logdet = eliminate_head(theta, table, index, A, work)
    _copy_lower(work[table[0, TAIL] :], adjoint[table[0, TAIL_C] :], table[0, ORDER])
    logdet += factor_tail(table, work)
    return criterion(logdet, table, work, degrees, constant, sigma)


@jit(entry=False, takes=(TABLE, INDEX, *3 * (REALS,), INTEGERS, NUMBER, FLAG), gives=NOTHING)
def differentiate(table, index, A, work, adjoint, degrees, sigma, keep_u):
    """Compute U, G of every term, and N of the head's terms, after `evaluate` at the same θ.

    If both degrees are zero, these are the derivatives of log|L_Z|² alone, and U is
    Λ(Λ'Z'ZΛ + I)⁻¹Λ'. U is stored in the regions of `adjoint` that correspond to Z'Z in A: the
    lower triangle of the tail, and each level's own block. U of the first head term is not needed
    for the gradient, and is computed only if `keep_u` is true.
    """
    _tail(table, work, adjoint, degrees, sigma)
    for k in range(table[0, NHEAD] - 1, -1, -1):
        _head(k, table, index, A, work, adjoint, k > 0 or keep_u)


@jit
def _copy_lower(source, target, m):
    for c in range(m):
        copy(source[c * m + c : (c + 1) * m], target[c * m + c : (c + 1) * m])


# ---- the tail -----------------------------------------------------------------------------


@jit
def _tail(table, work, adjoint, degrees, sigma):
    """Compute the lower triangle of U = Λ̃SΛ̃' of the tail, and G of its terms.

    Each level's own block is completed, since quadratic forms of the data's rows read all of it.
    """
    nterm, nhead, m = table[0, NTERM], table[0, NHEAD], table[0, ORDER]
    C = adjoint[table[0, TAIL_C] : table[0, TAIL_C] + m * m]
    U = adjoint[table[0, TAIL_U] : table[0, TAIL_U] + m * m]
    _weighted_inverse(table, work, U, degrees, sigma)
    for k in range(nhead, nterm):
        at = table[0, GRADIENT] + table[1 + k, LAMBDA]
        adjoint[at : at + table[1 + k, P] ** 2] = 0.0
    for k in range(nhead, nterm):
        p = table[1 + k, P]
        for level in range(table[1 + k, NLEVEL]):
            at = table[1 + k, ROW] + level * p
            _complete(U[at * m :], p, m, at)
            _complete(C[at * m :], p, m, at)
            _columns(k, at, table, work, C[at * m :], U[at * m :], adjoint)


@jit
def _complete(columns, p, m, at):
    """Fill the upper half of a level's own block."""
    for b in range(p):
        for a in range(b):
            columns[b * m + at + a] = columns[a * m + at + b]


@jit
def _columns(k, at, table, work, C, S, adjoint):
    """Turn S into U in the p columns of one level, from row `at` on, and add their share to each G.

    An element below the level's own block also represents its mirror image: [CΛS]_jj needs ΛS in
    the columns of j, and SΛ' in the rows of j, whose elements belong to other levels' columns.
    """
    p, m = table[1 + k, P], table[0, ORDER]
    lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
    Y = work[table[0, SCRATCH] : table[0, SCRATCH] + p * m]
    below = at + p
    for b in range(p):
        copy(S[b * m + below : (b + 1) * m], Y[b * m + below : (b + 1) * m])
    _times_lambda_transposed(Y, lam, p, m, below)
    for i in range(k, table[0, NTERM]):
        G = adjoint[table[0, GRADIENT] + table[1 + i, LAMBDA] :]
        stop = table[1 + i, ROW] + table[1 + i, P] * table[1 + i, NLEVEL]
        for b in range(p):
            start = b * m + max(below, table[1 + i, ROW])
            _add_levels(C[start : b * m + stop], Y[start : b * m + stop], table[1 + i, P], G)
    _lambda_rows(S, k, table, work, p, m, at)
    G = adjoint[table[0, GRADIENT] + table[1 + k, LAMBDA] :]
    if p > POINTS:  # G is row-major
        dgemm(TRANSPOSED, NO, p, p, m - at, 2.0, S[at:], m, C[at:], m, 1.0, G, p)
        _times_lambda_transposed(S, lam, p, m, at)
        return
    for a in range(p):
        for b in range(p):
            G[a * p + b] += 2.0 * dot(C[a * m + at : (a + 1) * m], S[b * m + at : (b + 1) * m])
    _times_lambda_transposed(S, lam, p, m, at)


@jit
def _add_levels(c, y, p, G):
    """G += 2 Σ_levels c_j y_j', for a column each."""
    if p == 1:
        G[0] += 2.0 * dot(c, y)
        return
    for r in range(0, len(c), p):
        for a in range(p):
            for b in range(p):
                G[a * p + b] += 2.0 * c[r + a] * y[r + b]


@jit
def _weighted_inverse(table, work, S, degrees, sigma):
    """S = L⁻ᵀ diag(w) L⁻¹ of the tail."""
    m, nx = table[0, ORDER], table[0, NX]
    L = work[table[0, TAIL] : table[0, TAIL] + m * m]
    _copy_lower(L, S, m)
    r2 = L[m * m - 1] * L[m * m - 1]
    weight_y = math.sqrt(r2) / sigma if sigma > 0.0 else math.sqrt(degrees[DEGREES])
    weight_x = 1.0 if degrees[REML] != 0 else 0.0
    invert_lower(S, m)
    for c in range(m):
        for r in range(max(c, m - nx - 1), m - 1):
            S[c * m + r] *= weight_x
        S[c * m + m - 1] *= weight_y
    if m <= SMALL:
        _small_gram(S, m)
    else:
        dlauum(LOWER, m, S, m)


@jit
def _small_gram(a, n):
    """L'L of a small lower triangle in place."""
    for j in range(n):
        for i in range(j, n):
            total = 0.0
            for k in range(i, n):
                total += a[i * n + k] * a[j * n + k]
            a[j * n + i] = total


@jit
def _lambda_rows(columns, k, table, work, width, m, at):
    """λ times the Z rows of columns of the tail, from row `at` of term k on, in place."""
    for i in range(k, table[0, NTERM]):
        p = table[1 + i, P]
        lam = work[table[1 + i, LAMBDA] : table[1 + i, LAMBDA] + p * p]
        stop = table[1 + i, ROW] + p * table[1 + i, NLEVEL]
        if p > POINTS:
            for r in range(max(at, table[1 + i, ROW]), stop, p):
                dtrmm(LEFT, UPPER, TRANSPOSED, NO, p, width, 1.0, lam, p, columns[r:], m)
            continue
        for c in range(width):
            rows = columns[c * m + max(at, table[1 + i, ROW]) : c * m + stop]
            if p == 1:
                scale(rows, lam[0])
                continue
            for r in range(0, len(rows), p):
                for a in range(p - 1, -1, -1):
                    total = 0.0
                    for b in range(a + 1):
                        total += lam[a * p + b] * rows[r + b]
                    rows[r + a] = total


@jit
def _times_lambda_transposed(columns, lam, p, m, at):
    """The p columns of one level times λ', from row `at` on; column b needs columns a ≤ b only."""
    if p > POINTS:  # λ is row-major: λ' is an upper triangle
        dtrmm(RIGHT, UPPER, NO, NO, m - at, p, 1.0, lam, p, columns[at:], m)
        return
    for b in range(p - 1, -1, -1):
        target = columns[b * m + at : (b + 1) * m]
        scale(target, lam[b * p + b])
        for a in range(b):
            factor = lam[b * p + a]
            source = columns[a * m + at : (a + 1) * m]
            for r in range(len(target)):
                target[r] += factor * source[r]


# ---- the head -----------------------------------------------------------------------------


@jit
def _head(k, table, index, A, work, adjoint, keep_u):
    """Compute N and G of head term k, and U on the pattern of its columns of A if `keep_u`."""
    nlevel, p, nd = table[1 + k, NLEVEL], table[1 + k, P], table[1 + k, ND]
    m, d0, dense = table[0, ORDER], table[1 + k, D0], table[1 + k, DENSE]
    C, lam = columns_left(k, table, A, work), work[table[1 + k, LAMBDA] :]
    U_dd = adjoint[table[0, TAIL_U] + d0 * m + d0 :]
    dsymm(LEFT, LOWER, nd, p * nlevel, 1.0, U_dd, m, C[dense:], nd, 0.0, adjoint[dense:], nd)
    at = table[0, SPARE]
    scratch = adjoint[at : at + 5 * p * p]
    K, D, E = scratch[: p * p], scratch[p * p : 2 * p * p], scratch[2 * p * p : 3 * p * p]
    product = scratch[3 * p * p : 4 * p * p]
    at = table[0, NORMAL] + table[1 + k, LAMBDA]
    N = adjoint[at : at + p * p]
    N[:] = 0.0
    for level in range(nlevel):
        if table[1 + k, NSPARSE] > 0:
            _times_sparse_u(k, level, table, index, C, adjoint)
        for i in range(k + 1, table[0, NHEAD]):
            times_nested_u(k, i, level, table, index, C, adjoint)
        inner_product(k, level, table, index, C, adjoint, E)
        at = table[1 + k, DIAG] + level * p * p
        C_jj = C[at : at + p * p]
        k_and_d(C_jj, lam, work[at : at + p * p], p, K, D, product)
        add_normal(C_jj, D, E, p, N, product)
        if keep_u:
            store_u(k, level, table, index, work, adjoint, K, E, product)
    at = table[0, GRADIENT] + table[1 + k, LAMBDA]
    gradient_of_normal(N, lam, p, adjoint[at : at + p * p])


@jit(entry=False)
def gradient_of_normal(N, lam, p, G):
    """G = 2 N λ."""
    for a in range(p):
        for b in range(p):
            total = 0.0
            for c in range(b, p):
                total += N[a * p + c] * lam[c * p + b]
            G[a * p + b] = 2.0 * total


@jit(entry=False)
def k_and_d(C, lam, L, p, K, D, M):
    """K = λL⁻ᵀL⁻¹λ' and D = I - K C of one level."""
    lambda_over_factor(lam, L, p, M)
    for a in range(p):
        for b in range(p):
            total = 0.0
            for c in range(p):
                total += M[a * p + c] * M[b * p + c]
            K[a * p + b] = total
    for a in range(p):
        for b in range(p):
            total = 1.0 if a == b else 0.0
            for c in range(p):
                total -= K[a * p + c] * C[c * p + b]
            D[a * p + b] = total


@jit(entry=False)
def add_normal(C, D, E, p, N, product):
    """N += C D - D'E D."""
    for a in range(p):
        for b in range(p):
            total = C[a * p + b]
            for c in range(p):
                total -= D[c * p + a] * E[c * p + b]
            product[a * p + b] = total  # (C - D'E), for C is symmetric
    for a in range(p):
        for b in range(p):
            total = 0.0
            for c in range(p):
                total += product[a * p + c] * D[c * p + b]
            N[a * p + b] += total


@jit(fastmath=REASSOCIATE)
def _times_both_halves(column, rows, values, F):
    """F += U values, for one column of U and for its mirror image, a row of U."""
    first, total = values[0], column[rows[0]] * values[0]
    for r in range(1, len(rows)):
        u = column[rows[r]]
        total += u * values[r]
        F[r] += u * first
    F[0] += total


@jit
def _times_sparse_u(k, level, table, index, C, adjoint):
    """Compute F for the sparse rows of a level, and add their share to F of its dense rows."""
    m, p, nd, d0 = table[0, ORDER], table[1 + k, P], table[1 + k, ND], table[1 + k, D0]
    at = table[1 + k, ROWPTR] + level
    start, stop = index[at], index[at + 1]
    rows = index[table[1 + k, ROWS] + start : table[1 + k, ROWS] + stop]
    at = table[1 + k, SPARSE] + start * p
    values, F = C[at : at + len(rows) * p], adjoint[at : at + len(rows) * p]
    at = table[1 + k, DENSE] + level * p * nd
    dense, F_dense = C[at : at + p * nd], adjoint[at : at + p * nd]
    F[:] = 0.0
    for s in range(len(rows)):
        at = table[0, TAIL_U] + rows[s] * m
        column = adjoint[at : at + m]
        below = column[d0:]
        for c in range(p):
            factor, target = values[s * p + c], F_dense[c * nd : (c + 1) * nd]
            for r in range(nd):
                target[r] += factor * below[r]
            F[s * p + c] += dot(below, dense[c * nd : (c + 1) * nd])
        if p == 1:
            _times_both_halves(column, rows[s:], values[s:], F[s:])
            continue
        for c in range(p):
            F[s * p + c] += column[rows[s]] * values[s * p + c]
        for r in range(s + 1, len(rows)):
            factor = column[rows[r]]
            for c in range(p):
                F[s * p + c] += factor * values[r * p + c]
                F[r * p + c] += factor * values[s * p + c]


@jit(entry=False)
def times_nested_u(k, i, level, table, index, C, adjoint):
    """Compute F for the parent's rows in head term i, and add their share to F of later rows."""
    nterm, nhead, p, pi = table[0, NTERM], table[0, NHEAD], table[1 + k, P], table[1 + i, P]
    nd, pair = table[1 + k, ND], 1 + nterm + k * nhead + i
    up = index[table[pair, PARENT] + level]
    at = table[pair, NESTED] + level * pi * p
    C_i, F_i = C[at : at + pi * p], adjoint[at : at + pi * p]
    at = table[1 + i, DIAG] + up * pi * pi
    if i == k + 1:  # the first head term behind k also clears F of all parents
        for j in range(i, nhead):
            at_j = table[1 + nterm + k * nhead + j, NESTED] + level * table[1 + j, P] * p
            adjoint[at_j : at_j + table[1 + j, P] * p] = 0.0
    _add_both(adjoint[at : at + pi * pi], C_i, C_i, F_i, F_i, p, pi, True)
    for j in range(i + 1, nhead):
        length = table[1 + j, P]
        at = table[1 + nterm + i * nhead + j, NESTED] + up * length * pi
        at_j = table[1 + nterm + k * nhead + j, NESTED] + level * length * p
        C_j, F_j = C[at_j : at_j + length * p], adjoint[at_j : at_j + length * p]
        _add_both(adjoint[at : at + length * pi], C_i, C_j, F_i, F_j, p, pi, False)
    start = index[table[1 + k, ROWPTR] + level]
    count = index[table[1 + k, ROWPTR] + level + 1] - start
    at = table[1 + k, SPARSE] + start * p
    values, F = C[at : at + count * p], adjoint[at : at + count * p]
    position = index[table[pair, POSITION] + start : table[pair, POSITION] + start + count]
    for s in range(count):
        at = table[1 + i, SPARSE] + position[s] * pi
        row = s * p
        _add_both(
            adjoint[at : at + pi], C_i, values[row : row + p], F_i, F[row : row + p], p, pi, False
        )
    at = table[1 + k, DENSE] + level * p * nd
    dense, F_dense = C[at : at + p * nd], adjoint[at : at + p * nd]
    for a in range(pi):
        at = table[1 + i, DENSE] + (up * pi + a) * nd
        column = adjoint[at : at + nd]
        for c in range(p):
            F_i[a * p + c] += dot(column, dense[c * nd : (c + 1) * nd])
            factor, target = C_i[a * p + c], F_dense[c * nd : (c + 1) * nd]
            for r in range(nd):
                target[r] += factor * column[r]


@jit
def _add_both(U, C_i, C_j, F_i, F_j, p, pi, diagonal):
    """F_j += U C_i, and F_i += U'C_j unless U is a diagonal block; row-major blocks."""
    for r in range(len(U) // pi):
        for a in range(pi):
            u = U[r * pi + a]
            for c in range(p):
                F_j[r * p + c] += u * C_i[a * p + c]
                if not diagonal:
                    F_i[a * p + c] += u * C_j[r * p + c]


@jit(entry=False)
def inner_product(k, level, table, index, C, adjoint, E):
    """E = C_Bj'F of a level."""
    nterm, nhead, p, nd = table[0, NTERM], table[0, NHEAD], table[1 + k, P], table[1 + k, ND]
    at = table[1 + k, DENSE] + level * p * nd
    for a in range(p):
        left = C[at + a * nd : at + (a + 1) * nd]
        for b in range(p):
            E[a * p + b] = dot(left, adjoint[at + b * nd : at + (b + 1) * nd])
    start = index[table[1 + k, ROWPTR] + level]
    stop = index[table[1 + k, ROWPTR] + level + 1]
    if stop > start:
        first, last = table[1 + k, SPARSE] + start * p, table[1 + k, SPARSE] + stop * p
        _add_inner(C[first:last], adjoint[first:last], p, E)
    for i in range(k + 1, nhead):
        length = table[1 + i, P] * p
        at = table[1 + nterm + k * nhead + i, NESTED] + level * length
        _add_inner(C[at : at + length], adjoint[at : at + length], p, E)


@jit
def _add_inner(left, right, p, E):
    """E += left'right for row-major rows of p values."""
    for r in range(0, len(left), p):
        for a in range(p):
            for b in range(p):
                E[a * p + b] += left[r + a] * right[r + b]


@jit(entry=False)
def store_u(k, level, table, index, work, adjoint, K, E, product):
    """U_Bj = -F K, which overwrites F, and U_jj = K + K E K."""
    nterm, nhead, p, nd = table[0, NTERM], table[0, NHEAD], table[1 + k, P], table[1 + k, ND]
    at = table[1 + k, DIAG] + level * p * p
    U_jj = adjoint[at : at + p * p]
    for a in range(p):
        for b in range(p):
            total = 0.0
            for c in range(p):
                total += K[a * p + c] * E[c * p + b]
            product[a * p + b] = total
    for a in range(p):
        for b in range(p):
            total = K[a * p + b]
            for c in range(p):
                total += product[a * p + c] * K[c * p + b]
            U_jj[a * p + b] = total
    for a in range(p * p):
        product[a] = -K[a]
    strip = work[table[0, SCRATCH] :]
    at = table[1 + k, DENSE] + level * p * nd
    F = adjoint[at : at + p * nd]
    times_columns(F, product, p, nd, F, strip)
    start = index[table[1 + k, ROWPTR] + level]
    stop = index[table[1 + k, ROWPTR] + level + 1]
    F = adjoint[table[1 + k, SPARSE] + start * p : table[1 + k, SPARSE] + stop * p]
    times_rows(F, product, p, F, strip)
    for i in range(k + 1, nhead):
        length = table[1 + i, P] * p
        at = table[1 + nterm + k * nhead + i, NESTED] + level * length
        F = adjoint[at : at + length]
        times_rows(F, product, p, F, strip)
