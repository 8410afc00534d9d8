"""Curvature of the linear objective: average information, and N of every term.

    Hessian in θ  ≈  AI + I ⊗ 2N      (on the free entries of vec(λ), column by column)

The second part is exact: it is the derivative of the gradient 2Nλ for constant N. The first part,
the average of observed and expected information, replaces the derivative of N. With V the
covariance of y divided by σ², P = V⁻¹ - V⁻¹X(X'V⁻¹X)⁻¹X'V⁻¹, c = Z'P y, and a parameter t at row a
and column b of λ_k,

    z_t = Z h_t     h_t = Λ̇_t u + ΛΛ̇_t'c:  at each level  e_a u_b + λ_·b c_a
    AI_st = z_s'P z_t / σ² - g_s g_t / (d σ⁴)         g_t = 2 c'Λ̇_t u     (last term: σ profiled)

The vectors z_t are eliminated like additional columns of the data. With r = Z_j'V⁻¹z, where V is
that of the preceding terms, and M = λL_jj⁻ᵀ, each level j subtracts |M'r|² from the inner product
z'V⁻¹z, and adds C_Bj (h - M M'r) to r_B, the products with the rows B below it.

Source: Gilmour, Thompson & Cullis (1995), Biometrics 51, 1440-1450.

N of the tail's terms is completed by `normal`. The file is long because the head and the tail,
entries of λ and directions of λλ', share their loops, which numba compiles together.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.cholesky import DEGREES, columns_left, lambda_over_factor
from numbamm.blocks.jit import REASSOCIATE, counter, jit
from numbamm.blocks.kinds import INDEX, INTEGERS, MATRIX, NOTHING, NUMBER, REALS, TABLE
from numbamm.blocks.lapack import LEFT, LOWER, NO, TRANSPOSED, dgemm, dsymm, dtrsm
from numbamm.blocks.layout import (
    D0,
    DENSE,
    DIAG,
    LAMBDA,
    ND,
    NESTED,
    NHEAD,
    NLEVEL,
    NORMAL,
    NSPARSE,
    NTERM,
    ORDER,
    PARENT,
    ROW,
    ROWPTR,
    ROWS,
    SPARSE,
    TAIL,
    TAIL_C,
    THETA,
    P,
)
from numbamm.blocks.normal import complete_normal
from numbamm.blocks.solve import solve
from numbamm.blocks.vectors import copy, dot, scale

#: From so many parameters on, inner products of all pairs are matrix products. What these leave
#: above the diagonal is not read.
MANY = 32

#: From so many entries of λ on, their inner products follow from those of pairs of effects, which
#: have this in place of a position in θ.
PAIRED, PAIR = 16, -2

#: `changes` of parameters that are entries of λ.
NO_CHANGES = np.empty((0, 0))


@jit(entry=False)
def parameters(table, index, out):
    """Position of each θ in λ, term by term of the table.

    Parameters
    ----------
    table, index
        See `layout.Layout`.
    out : int64, shape (4, number of θ)
        Filled: term, row and column in λ, and position in θ.
    """
    at = counter()
    for k in range(table[0, NTERM]):
        p, start = table[1 + k, P], table[1 + k, LAMBDA]
        for t in range(out.shape[1]):
            entry = index[table[0, THETA] + t] - start
            if 0 <= entry < p * p:
                out[0, at], out[1, at], out[2, at], out[3, at] = k, entry // p, entry % p, t
                at += 1


@jit(entry=False)
def square_blocks(theta_index, out):
    """Positions of all entries of every block of a template: θ, and those above the diagonal.

    A template consists of full lower triangles. A search may also move the entries above them, if
    it rotates λ back to triangular form afterwards. Their position in θ is -1.

    Parameters
    ----------
    theta_index : int64, shape (4, number of θ)
        From `parameters`.
    out : int64, shape (4, `layout.MOVED`)
        Filled.
    """
    at = counter()
    for t in range(theta_index.shape[1]):
        copy(theta_index[:, t], out[:, at])
        at += 1
        if theta_index[1, t] != theta_index[2, t]:
            out[0, at], out[1, at], out[2, at], out[3, at] = (
                theta_index[0, t],
                theta_index[2, t],
                theta_index[1, t],
                -1,
            )
            at += 1


@jit(
    entry=False,
    takes=(TABLE, INDEX, *3 * (REALS,), INTEGERS, NUMBER, TABLE, MATRIX),
    gives=NOTHING,
    owns=True,
)
def curvature(table, index, A, work, adjoint, degrees, sigma, entries, H):
    """AI + I ⊗ 2N, after `gradient.differentiate` at the same θ.

    Parameters
    ----------
    table, index, A, work, adjoint, degrees, sigma
        As for `gradient.objective_gradient`.
    entries : int64, shape (4, n)
        Positions of entries of λ, term by term, from `parameters` or `square_blocks`.
    H : float64, shape (n, n)
        Filled, in the order of `entries`.
    """
    complete_normal(table, work, adjoint)
    n = entries.shape[1]
    if n >= PAIRED:
        _of_many(table, index, A, work, adjoint, degrees, sigma, entries, H)
    else:
        scratch = np.zeros(n + _scratch_size(table, n))
        _of_few(table, index, A, work, adjoint, degrees, sigma, entries, H, scratch)


@jit
def _of_few(table, index, A, work, adjoint, degrees, sigma, entries, H, scratch):
    """`curvature` of a few entries, whose inner products stand in H at first.

    Small models spend more on arrays than on numbers: here none is allocated, and no reference
    counted.
    """
    n = entries.shape[1]
    slope, rest = scratch[:n], scratch[n:]
    _inner_products(table, index, A, work, adjoint, entries, H[:0], H, slope, rest)
    _hessian(H, slope, table, work, adjoint, degrees, sigma, entries, H)


@jit(owns=True)
def _of_many(table, index, A, work, adjoint, degrees, sigma, entries, H):
    """`curvature` of many entries, whose inner products follow from those of `_pairs`."""
    pairs = _pairs(entries)
    n = pairs.shape[1]
    inner, slope = np.empty((n, n)), np.empty(n)
    scratch = np.zeros(_scratch_size(table, n))
    _inner_products(table, index, A, work, adjoint, pairs, inner[:0], inner, slope, scratch)
    inner, slope = _of_entries(inner, slope, table, work, pairs, entries)
    _hessian(inner, slope, table, work, adjoint, degrees, sigma, entries, H)


@jit(owns=True)
def _pairs(entries):
    """The symmetric matrices e_a e_b' + e_b e_a' of the entries on or below the diagonal of λ.

    The matrices λ̇λ' + λλ̇' are their sums, and the entries of whole blocks are nearly twice as many.
    """
    count = counter()
    for t in range(entries.shape[1]):
        count += entries[1, t] >= entries[2, t]
    pairs, at = np.empty((4, count), dtype=np.int64), counter()
    for t in range(entries.shape[1]):
        if entries[1, t] >= entries[2, t]:
            copy(entries[:, t], pairs[:, at])
            pairs[3, at] = PAIR
            at += 1
    return pairs


@jit(owns=True)
def _of_entries(inner, slope, table, work, pairs, entries):
    """Inner products and slopes of entries of λ from those of `_pairs`.

    For an entry at row a and column b, λ̇λ' + λλ̇' is the sum of λ_eb (e_a e_e' + e_e e_a') over the
    rows e of its block.
    """
    n, npair, widest = entries.shape[1], pairs.shape[1], 0
    for t in range(npair):
        widest = max(widest, pairs[1, t] + 1)
        for s in range(t):
            inner[s, t] = inner[t, s]
    place = np.full((table[0, NTERM], widest, widest), -1)
    for t in range(npair):
        k, a, b = pairs[0, t], pairs[1, t], pairs[2, t]
        place[k, a, b] = place[k, b, a] = t
    half, slopes = np.zeros((n, npair)), np.zeros(n)
    for t in range(n):
        slopes[t] = _add_sum(t, slope, inner, half[t], table, work, place, entries)
    across, products, none = half.T.copy(), np.zeros((n, n)), np.zeros(npair)
    for t in range(n):
        _add_sum(t, none, across, products[t], table, work, place, entries)
    return products, slopes


@jit
def _add_sum(t, slope, source, target, table, work, place, entries):
    """Add those rows of `source` whose sum stands for an entry of λ; returns the sum of slopes."""
    k, row, column, total = entries[0, t], entries[1, t], entries[2, t], 0.0
    for e in range(place.shape[1]):
        at = place[k, row, e]
        if at < 0:
            continue
        factor = work[table[1 + k, LAMBDA] + e * table[1 + k, P] + column]
        if factor != 0.0:
            total += factor * slope[at]
            values = source[at]
            for s in range(len(target)):
                target[s] += factor * values[s]
    return total


@jit
def _hessian(inner, slope, table, work, adjoint, degrees, sigma, entries, H):
    """Fill H from the inner products z_s'P z_t, from c'Λ̇_t u, and from N."""
    at = table[0, TAIL] + table[0, ORDER] ** 2 - 1
    r2, d = work[at] * work[at], degrees[DEGREES]
    s2 = sigma * sigma if sigma > 0.0 else r2 / d
    for s in range(len(slope)):
        for t in range(s + 1):
            value = inner[s, t] / s2
            if sigma == 0.0:
                value -= 4.0 * slope[s] * slope[t] / (d * s2 * s2)
            if entries[0, s] == entries[0, t] and entries[2, s] == entries[2, t]:
                k = entries[0, s]
                N = adjoint[table[0, NORMAL] + table[1 + k, LAMBDA] :]
                value += 2.0 * N[entries[1, s] * table[1 + k, P] + entries[1, t]]
            H[s, t] = H[t, s] = value


@jit(takes=(TABLE, INDEX, *3 * (REALS,), TABLE, MATRIX, MATRIX, REALS), owns=True)
def inner_products(table, index, A, work, adjoint, entries, changes, products, slopes):
    """z_s'P z_t and c'Ġ_t c of parameters in which each λλ' moves along a matrix Ġ_t.

    As `curvature` for entries of λ: it is called after `complete_normal`. Here h_t = Ġ_t c.

    Parameters
    ----------
    table, index, A, work, adjoint
        As for `curvature`.
    entries : int64, shape (4, n)
        The term of each parameter, in the table's order and not decreasing; the rest is not read.
    changes : float64, shape (n, p²)
        Ġ_t, p² of the widest term; rows of matrices of lower order begin with that matrix.
    products : float64, shape (n, n)
        Filled.
    slopes : float64, shape (n,)
        Filled.
    """
    scratch = np.zeros(_scratch_size(table, entries.shape[1]))
    _inner_products(table, index, A, work, adjoint, entries, changes, products, slopes, scratch)
    for s in range(len(slopes)):
        slopes[s] *= 2.0
        for t in range(s):
            products[t, s] = products[s, t]


@jit
def _inner_products(table, index, A, work, adjoint, entries, changes, inner, slope, scratch):
    """Fill `inner` with z_s'P z_t, lower triangle, and `slope` with c'Λ̇_t u, half of c'Ġ_t c."""
    m, nθ, size = table[0, ORDER], entries.shape[1], _head_order(table) + table[0, ORDER]
    u, b = scratch[:size], scratch[size : 2 * size]
    tail, rest = scratch[2 * size : 2 * size + m * nθ], scratch[2 * size + m * nθ :]
    c, h, rest = rest[:m], rest[m : m + m * nθ], rest[m + m * nθ :]
    inner[:, :] = 0.0
    slope[:] = 0.0
    solve(table, index, work, u, b)
    _head_products(table, index, A, work, entries, changes, u, b, inner, slope, tail, rest)
    v, w = u[size - m :], b[size - m :]
    _tail(table, work, adjoint, entries, changes, v, w, inner, slope, tail, c, h)


@jit
def _scratch_size(table, nθ):
    """Number of zeros that `_inner_products` needs."""
    m = table[0, ORDER]
    return 2 * (_head_order(table) + m) + m * (2 * nθ + 1) + _head_scratch_size(table, nθ)


@jit
def _head_order(table):
    """Number of columns of the head's terms."""
    order = counter()
    for k in range(table[0, NHEAD]):
        order += table[1 + k, P] * table[1 + k, NLEVEL]
    return order


@jit
def _widest_and_longest(table):
    """The largest p of all terms, and the largest number of columns of a head term."""
    widest, longest = np.int64(1), counter()
    for k in range(table[0, NTERM]):
        widest = max(widest, table[1 + k, P])
        if k < table[0, NHEAD]:
            longest = max(longest, table[1 + k, P] * table[1 + k, NLEVEL])
    return widest, longest


@jit
def _head_scratch_size(table, nθ):
    """Number of zeros that `_head_products` needs."""
    widest, longest = _widest_and_longest(table)
    return (_head_order(table) + longest) * nθ + 3 * widest * (nθ + widest)


@jit(entry=False, owns=True)
def head_products(table, index, A, work, entries, changes, u, b, inner, slope, tail):
    """The head's share of `inner` and `slope`, and what its elimination adds to the tail's z."""
    scratch = np.zeros(_head_scratch_size(table, entries.shape[1]))
    _head_products(table, index, A, work, entries, changes, u, b, inner, slope, tail, scratch)


@jit
def _head_products(table, index, A, work, entries, changes, u, b, inner, slope, tail, scratch):
    """`head_products`, with an array of zeros to work in."""
    nθ, order = entries.shape[1], _head_order(table)
    widest, longest = _widest_and_longest(table)
    later, rest = scratch[: order * nθ].reshape((order, nθ)), scratch[order * nθ :]
    stack, rest = rest[: longest * nθ], rest[longest * nθ :]
    level_wise = rest[: 3 * nθ * widest].reshape((3, nθ, widest))
    vectors = rest[3 * nθ * widest :].reshape((3, widest * widest))
    start = counter()
    for k in range(table[0, NHEAD]):
        _head(
            k,
            start,
            table,
            index,
            A,
            work,
            entries,
            changes,
            u,
            b,
            inner,
            slope,
            later,
            tail,
            stack,
            level_wise,
            vectors,
        )
        start += table[1 + k, P] * table[1 + k, NLEVEL]


@jit
def _head(
    k,
    start,
    table,
    index,
    A,
    work,
    entries,
    changes,
    u,
    b,
    inner,
    slope,
    later,
    tail,
    stack,
    level_wise,
    vectors,
):
    """Add one head term's share to the inner products, and its updates to the rows below it."""
    p, nlevel = table[1 + k, P], table[1 + k, NLEVEL]
    m, nd, d0, dense = table[0, ORDER], table[1 + k, ND], table[1 + k, D0], table[1 + k, DENSE]
    C = columns_left(k, table, A, work)
    lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
    width = p * nlevel
    M, c, q = vectors[0], vectors[1], vectors[2]
    h, r, y = level_wise[0], level_wise[1], level_wise[2]
    first = nactive = counter()
    for t in range(entries.shape[1]):
        first += entries[0, t] < k
        nactive += entries[0, t] <= k
    for level in range(nlevel):
        at = table[1 + k, DIAG] + level * p * p
        C_jj = C[at : at + p * p]
        lambda_over_factor(lam, work[at : at + p * p], p, M)
        _products_with_b(k, start, level, table, index, C, b, q)
        _score(C_jj, M, p, q, c)
        u_j = u[start + level * p : start + (level + 1) * p]
        for t in range(nactive):
            if t < first:
                h[t, :p] = 0.0
                copy(later[start + level * p : start + (level + 1) * p, t], r[t, :p])
            else:
                slope[t] += direction(t, entries, changes, lam, u_j, c, p, h[t])
                for a in range(p):
                    r[t, a] = dot(C_jj[a * p : (a + 1) * p], h[t, :p])
            for a in range(p):
                total = 0.0
                for e in range(p):
                    total += M[e * p + a] * r[t, e]
                y[t, a] = total
            g = stack[t * width + level * p : t * width + (level + 1) * p]
            for a in range(p):
                g[a] = h[t, a] - dot(M[a * p : (a + 1) * p], y[t, :p])
        if nactive >= MANY:
            rows = inner[first:].reshape((inner.shape[0] - first) * inner.shape[1])
            _add_products(1.0, h[first:nactive], r[:nactive], p, rows, inner.shape[1])
            rows = inner.reshape(inner.size)
            _add_products(-1.0, y[:nactive], y[:nactive], p, rows, inner.shape[1])
        else:
            for s in range(nactive):
                for t in range(s + 1):
                    total = 0.0
                    for a in range(p):
                        total -= y[s, a] * y[t, a]
                        if s >= first:
                            total += h[s, a] * r[t, a]
                    inner[s, t] += total
        _hand_on(k, start, level, nactive, table, index, C, stack, later, tail)
    columns = C[dense : dense + nd * width]
    dgemm(NO, NO, nd, nactive, width, 1.0, columns, nd, stack, width, 1.0, tail[d0:], m)


@jit(entry=False)
def direction(t, entries, changes, lam, u, c, p, h):
    """Λ̇u + ΛΛ̇'c of one level, for the entry at a row and a column of λ, or Ġc; returns c'Λ̇u."""
    if len(changes) > 0:
        total = 0.0
        for a in range(p):
            h[a] = dot(changes[t, a * p : (a + 1) * p], c[:p])
            total += 0.5 * c[a] * h[a]
        return total
    row, column = entries[1, t], entries[2, t]
    if entries[3, t] == PAIR:  # Ġ = e_a e_b' + e_b e_a'
        for a in range(p):
            h[a] = 0.0
        h[row] += c[column]
        h[column] += c[row]
        return c[row] * c[column]
    for a in range(p):
        h[a] = lam[a * p + column] * c[row]
    h[row] += u[column]
    return c[row] * u[column]


@jit(forceinline=True)
def _products_with_b(k, start, level, table, index, C, b, q):
    """C_Bj'b over the rows B below a level of head term k; the tail of b ends with β and -1."""
    nterm, nhead, p = table[0, NTERM], table[0, NHEAD], table[1 + k, P]
    nd, d0 = table[1 + k, ND], table[1 + k, D0]
    tail = b[len(b) - table[0, ORDER] :]
    for c in range(p):
        at = table[1 + k, DENSE] + (level * p + c) * nd
        q[c] = dot(C[at : at + nd], tail[d0:])
    if table[1 + k, NSPARSE] > 0:
        at = table[1 + k, ROWPTR] + level
        for s in range(index[at], index[at + 1]):
            for c in range(p):
                q[c] += C[table[1 + k, SPARSE] + s * p + c] * tail[index[table[1 + k, ROWS] + s]]
    behind = start + p * table[1 + k, NLEVEL]
    for i in range(k + 1, nhead):
        pi, pair = table[1 + i, P], 1 + nterm + k * nhead + i
        up = behind + index[table[pair, PARENT] + level] * pi
        at = table[pair, NESTED] + level * pi * p
        for a in range(pi):
            for c in range(p):
                q[c] += C[at + a * p + c] * b[up + a]
        behind += pi * table[1 + i, NLEVEL]


@jit(forceinline=True)
def _score(C_jj, M, p, q, c):
    """c = -(I - C M M') q of one level, which is Z_j'P y, since b ends with -1 for y."""
    for a in range(p):
        c[a] = -q[a]
    for e in range(p):
        total = 0.0
        for a in range(p):
            total += M[a * p + e] * q[a]
        for a in range(p):
            for f in range(p):
                c[a] += C_jj[a * p + f] * M[f * p + e] * total


@jit(forceinline=True)
def _hand_on(k, start, level, nactive, table, index, C, stack, later, tail):
    """r_B += C_Bj g for the sparse and nested rows below a level; `_head` adds the dense rows."""
    nterm, nhead, p, m = table[0, NTERM], table[0, NHEAD], table[1 + k, P], table[0, ORDER]
    width = p * table[1 + k, NLEVEL]
    if table[1 + k, NSPARSE] > 0:
        at = table[1 + k, ROWPTR] + level
        for s in range(index[at], index[at + 1]):
            values = C[table[1 + k, SPARSE] + s * p : table[1 + k, SPARSE] + (s + 1) * p]
            row = index[table[1 + k, ROWS] + s]
            for t in range(nactive):
                for a in range(p):
                    tail[t * m + row] += values[a] * stack[t * width + level * p + a]
    behind = start + width
    for i in range(k + 1, nhead):
        pi, pair = table[1 + i, P], 1 + nterm + k * nhead + i
        up = behind + index[table[pair, PARENT] + level] * pi
        at = table[pair, NESTED] + level * pi * p
        for t in range(nactive):
            for e in range(pi):
                for a in range(p):
                    later[up + e, t] += C[at + e * p + a] * stack[t * width + level * p + a]
        behind += pi * table[1 + i, NLEVEL]


@jit
def _tail(table, work, adjoint, entries, changes, u, b, inner, slope, tail, c, h):
    """Add the tail's z_t to the inner products, then subtract the tail's share from all of them."""
    nterm, nhead, m, nθ = table[0, NTERM], table[0, NHEAD], table[0, ORDER], entries.shape[1]
    C = adjoint[table[0, TAIL_C] : table[0, TAIL_C] + m * m]
    first = 0
    for t in range(nθ):
        first += entries[0, t] < nhead
    if first < nθ:
        _times_symmetric(C, b, m, c)
        scale(c, -1.0)
        for t in range(first, nθ):
            k = entries[0, t]
            p = table[1 + k, P]
            lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
            for level in range(table[1 + k, NLEVEL]):
                at = table[1 + k, ROW] + level * p
                to, own = (t - first) * m + at, c[at : at + p]
                arrays = lam, u[at : at + p], own, p, h[to : to + p]
                slope[t] += direction(t, entries, changes, *arrays)
        products = tail[first * m :]
        dsymm(LEFT, LOWER, m, nθ - first, 1.0, C, m, h, m, 0.0, products, m)
        if nθ >= MANY:
            rows = inner[first:].reshape((nθ - first) * nθ)
            dgemm(TRANSPOSED, NO, nθ, nθ - first, m, 1.0, tail, m, h, m, 1.0, rows, nθ)
        else:
            for s in range(first, nθ):
                h_s = h[(s - first) * m : (s - first + 1) * m]
                for t in range(s + 1):
                    inner[s, t] += dot(h_s, tail[t * m : (t + 1) * m])
    for k in range(nhead, nterm):
        p = table[1 + k, P]
        lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
        for t in range(nθ):
            for at in range(table[1 + k, ROW], table[1 + k, ROW] + p * table[1 + k, NLEVEL], p):
                _lambda_transposed(lam, p, tail[t * m + at : t * m + at + p])
    if m == 1:  # only y is left
        return
    L = work[table[0, TAIL] : table[0, TAIL] + m * m]
    dtrsm(LEFT, LOWER, NO, NO, m - 1, nθ, 1.0, L, m, tail, m)
    if nθ >= MANY:
        rows = inner.reshape(inner.size)
        dgemm(TRANSPOSED, NO, nθ, nθ, m - 1, -1.0, tail, m, tail, m, 1.0, rows, nθ)
        return
    for s in range(nθ):
        for t in range(s + 1):
            inner[s, t] -= dot(tail[s * m : (s + 1) * m - 1], tail[t * m : (t + 1) * m - 1])


@jit
def _add_products(factor, left, right, p, rows, length):
    """rows[s, t] += factor left_s'right_t over their first p entries; `length` is a row's."""
    width = left.shape[1]
    s, t = left.shape[0], right.shape[0]
    x, y = right.reshape(right.size), left.reshape(left.size)
    dgemm(TRANSPOSED, NO, t, s, p, factor, x, width, y, width, 1.0, rows, length)


@jit(fastmath=REASSOCIATE)
def _times_symmetric(C, b, m, out):
    """C b for a symmetric matrix C; only its lower triangle is read."""
    out[:] = 0.0
    for c in range(m):
        column, total, factor = C[c * m : (c + 1) * m], C[c * m + c] * b[c], b[c]
        for r in range(c + 1, m):
            total += column[r] * b[r]
            out[r] += column[r] * factor
        out[c] += total


@jit
def _lambda_transposed(lam, p, r):
    """λ'r of one level, in place."""
    for c in range(p):
        total = 0.0
        for a in range(c, p):
            total += lam[a * p + c] * r[a]
        r[c] = total
