"""N of the tail's terms, which the gradient G = 2Nλ determines where λ is not singular.

N = Σ_levels Z_j'PZ_j - c_j c_j'/σ², c = Z'Py, is the derivative of the objective with respect to
λλ'. It is the second part of the curvature, see `information`, and shows whether a variance of
zero is a minimum.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.eigen import eigh
from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import NOTHING, REALS, TABLE
from numbamm.blocks.lapack import LEFT, LOWER, NO, UPPER, dsymm, dtrsm
from numbamm.blocks.layout import (
    GRADIENT,
    LAMBDA,
    NHEAD,
    NLEVEL,
    NORMAL,
    NTERM,
    ORDER,
    POINTS,
    ROW,
    TAIL_C,
    TAIL_U,
    P,
)
from numbamm.blocks.vectors import copy, dot

#: Along directions v with |λ'v| below this, N v is computed from U, since G = 2Nλ does not give it.
SINGULAR = 1e-5
#: A wide λ is solved with if no entry of its diagonal is below this share of the largest one.
REGULAR = 1e-3


@jit(takes=(TABLE, REALS, REALS), gives=NOTHING, owns=True)
def complete_normal(table, work, adjoint):
    """Compute N of the tail's terms, after `gradient.differentiate`.

    That kernel computes N of the head's terms, and G = 2Nλ of all. Along the regular directions of
    λλ', N follows from G. Along the singular ones it is Σ_levels (C - C U C)_jj, which takes a
    product of the tail with as many columns as levels.
    """
    widest = 0
    for k in range(table[0, NHEAD], table[0, NTERM]):
        widest = max(widest, table[1 + k, P])
    if widest == 0:
        return
    square = widest * widest
    scratch = np.empty(5 * square + 41 * widest)
    V, NV = scratch[:square], scratch[square : 2 * square]
    values, rest = scratch[2 * square : 2 * square + widest], scratch[2 * square + widest :]
    for k in range(table[0, NHEAD], table[0, NTERM]):
        p = table[1 + k, P]
        lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
        G = adjoint[table[0, GRADIENT] + table[1 + k, LAMBDA] :]
        N = adjoint[table[0, NORMAL] + table[1 + k, LAMBDA] :]
        if p > POINTS and _is_regular(lam, p):  # λ'N = G'/2; λ is row-major
            copy(G[: p * p], N[: p * p])
            dtrsm(LEFT, UPPER, NO, NO, p, p, 0.5, lam, p, N, p)
            _symmetrise(N, p)
            continue
        _squared(lam, p, V)
        eigh(V, p, values, rest)
        nsmall = counter()
        for i in range(p):
            if values[i] < SINGULAR**2:
                nsmall += 1
        for i in range(p):
            v, out = V[i * p : (i + 1) * p], NV[i * p : (i + 1) * p]
            if values[i] >= SINGULAR**2:
                _normal_from_gradient(G, lam, v, values[i], p, rest, out)
        if nsmall > 0:
            _normal_from_u(k, table, adjoint, V, values, nsmall, p, NV)
        for a in range(p):  # N = Σ (N v_i) v_i'
            for b in range(p):
                total = 0.0
                for i in range(p):
                    total += NV[i * p + a] * V[i * p + b]
                N[a * p + b] = total
        _symmetrise(N, p)


@jit
def _symmetrise(N, p):
    """The mean of N and N'."""
    for a in range(p):
        for b in range(a):
            N[a * p + b] = N[b * p + a] = 0.5 * (N[a * p + b] + N[b * p + a])


@jit
def _is_regular(lam, p):
    """Whether N may be found by solving with λ."""
    least, most = np.inf, 0.0
    for a in range(p):
        least, most = min(least, abs(lam[a * p + a])), max(most, abs(lam[a * p + a]))
    return least > REGULAR * most and most > SINGULAR


@jit
def _squared(lam, p, out):
    """λλ'."""
    for a in range(p):
        for b in range(p):
            total = 0.0
            for c in range(min(a, b) + 1):
                total += lam[a * p + c] * lam[b * p + c]
            out[b * p + a] = total


@jit
def _normal_from_gradient(G, lam, v, value, p, w, out):
    """N v = G λ'v / (2 s²) for an eigenvector v of λλ' of eigenvalue s²."""
    for b in range(p):
        total = 0.0
        for a in range(b, p):
            total += lam[a * p + b] * v[a]
        w[b] = total / (2.0 * value)
    for a in range(p):
        out[a] = 0.0
        for b in range(p):
            out[a] += G[a * p + b] * w[b]


@jit(owns=True)
def _normal_from_u(k, table, adjoint, V, values, nsmall, p, NV):
    """N v for the singular directions v, after N v of the regular directions is computed."""
    m, nlevel, first = table[0, ORDER], table[1 + k, NLEVEL], table[1 + k, ROW]
    C = adjoint[table[0, TAIL_C] : table[0, TAIL_C] + m * m]
    U = adjoint[table[0, TAIL_U] : table[0, TAIL_U] + m * m]
    columns = np.zeros(nsmall * nlevel * m)  # C v of every level, direction by direction
    product = np.empty(nsmall * nlevel * m)
    small = 0
    for i in range(p):
        if values[i] >= SINGULAR**2:
            continue
        for level in range(nlevel):
            target = columns[(small * nlevel + level) * m : (small * nlevel + level + 1) * m]
            for a in range(p):
                _add_column(V[i * p + a], C, first + level * p + a, m, target)
        small += 1
    dsymm(LEFT, LOWER, m, nsmall * nlevel, 1.0, U, m, columns, m, 0.0, product, m)
    small = 0
    for i in range(p):
        if values[i] >= SINGULAR**2:
            continue
        out = NV[i * p : (i + 1) * p]
        out[:] = 0.0
        other = 0
        for j in range(p):
            v, inner = V[j * p : (j + 1) * p], 0.0
            if values[j] >= SINGULAR**2:
                inner = dot(V[i * p : (i + 1) * p], NV[j * p : (j + 1) * p])
            else:
                for level in range(nlevel):
                    at = (small * nlevel + level) * m
                    Cv = columns[at : at + m]
                    for a in range(p):
                        inner += v[a] * Cv[first + level * p + a]
                    to = (other * nlevel + level) * m
                    inner -= dot(Cv, product[to : to + m])
                other += 1
            for a in range(p):
                out[a] += inner * v[a]
        small += 1


@jit
def _add_column(factor, C, c, m, target):
    """target += factor C_c, column c of a symmetric matrix; only its lower triangle is read."""
    for r in range(c):
        target[r] += factor * C[r * m + c]
    for r in range(c, m):
        target[r] += factor * C[c * m + r]
