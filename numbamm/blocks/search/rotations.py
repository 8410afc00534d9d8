"""Rotations of the columns of λ, which leave λλ' and the objective unchanged.

The trust region moves all entries of each block of λ. Here these are rotated to triangular form,
which is that of θ, and steps along rotations are suppressed.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import REALS, TABLE
from numbamm.blocks.lapack import NO, TRANSPOSED, dgemm
from numbamm.blocks.vectors import dot, scale

#: From so many rotations on, all are held at once, by matrix products.
MANY = 8


@jit(entry=False)
def unfold(theta, entries, x):
    for i in range(len(x)):
        x[i] = theta[entries[3, i]] if entries[3, i] >= 0 else 0.0


@jit(takes=(REALS, TABLE, REALS))
def fold(x, entries, theta):
    """Rotate the columns of every block of λ to lower triangular form, and fill θ from it."""
    for i in range(len(x)):
        k, row, other = entries[0, i], entries[1, i], entries[2, i]
        if row < other and x[i] != 0.0:  # above the diagonal; such entries come row by row
            for d in range(len(x)):
                if entries[0, d] == k and entries[1, d] == entries[2, d] == row:
                    _rotate(x, entries, k, row, other, x[d], x[i])
            x[i] = 0.0
    for i in range(len(x)):
        if entries[3, i] >= 0:
            theta[entries[3, i]] = x[i]


@jit
def _rotate(x, entries, k, column, other, kept, zeroed):
    """Turn two columns of λ_k so that (kept, zeroed) in one row becomes (r, 0)."""
    r = math.hypot(kept, zeroed)
    c, s = kept / r, zeroed / r
    for i in range(len(x)):
        if entries[0, i] == k and entries[2, i] == column:
            for j in range(len(x)):
                if entries[0, j] == k and entries[2, j] == other and entries[1, j] == entries[1, i]:
                    x[i], x[j] = c * x[i] + s * x[j], c * x[j] - s * x[i]


@jit(owns=True, entry=False)
def hold_rotations(state, search):
    """Give H a large curvature along rotations of λ's columns, so that steps have no such part.

    Rotations do not change λλ'. To first order one adds column j to column i, and subtracts column
    i from column j.
    """
    n, entries = len(state.x), search.entries
    size, nrotation = 0.0, counter()
    for i in range(n):
        size = max(size, abs(state.H[i, i]))
    basis, place = np.empty((n, n)), _places(entries)
    for a in range(n):
        k, row, other = entries[0, a], entries[1, a], entries[2, a]
        if row >= other:
            continue
        v = basis[nrotation]
        v[:] = 0.0
        for r in range(place.shape[1]):
            i, j = place[k, r, row], place[k, r, other]
            if i >= 0 and j >= 0:
                v[i] = -state.scale[j] * state.x[j]
                v[j] = state.scale[i] * state.x[i]
        if _orthonormalize(v, basis, nrotation):
            nrotation += 1
    if nrotation >= MANY:
        _hold_all(basis.reshape(n * n), nrotation, size, state.H.reshape(n * n), n)
        return
    for a in range(nrotation):
        _hold(basis[a], size, state.H)


@jit(owns=True)
def _places(entries):
    """Which entry is at each place of each λ, shape (terms, rows, columns); -1 for none."""
    nterm, p = 0, 0
    for i in range(entries.shape[1]):
        nterm = max(nterm, entries[0, i] + 1)
        p = max(p, entries[1, i] + 1, entries[2, i] + 1)
    place = np.full((nterm, p, p), -1)
    for i in range(entries.shape[1]):
        place[entries[0, i], entries[1, i], entries[2, i]] = i
    return place


@jit
def _orthonormalize(v, basis, count):
    """Orthogonalise v against a basis and normalise it; False if v is in the basis's span."""
    before = math.sqrt(dot(v, v))
    for _ in range(2):  # the second pass removes the rounding errors of the first
        for a in range(count):
            along = dot(v, basis[a])
            for i in range(len(v)):
                v[i] -= along * basis[a, i]
    after = math.sqrt(dot(v, v))
    if not after > 1e-8 * before:
        return False
    scale(v, 1.0 / after)
    return True


@jit(owns=True)
def _hold(v, size, H):
    """H = P H P + size vv' with P = I - vv'."""
    n = len(v)
    Hv = np.empty(n)
    for i in range(n):
        Hv[i] = dot(H[i], v)
    inner = dot(Hv, v) + size
    for i in range(n):
        for j in range(n):
            H[i, j] += inner * v[i] * v[j] - Hv[i] * v[j] - v[i] * Hv[j]


@jit(owns=True)
def _hold_all(V, count, size, H, n):
    """H = P H P + size VV' with P = I - VV', for orthonormal columns V: H - XV' - VX'."""
    X, W = np.empty(n * count), np.empty(count * count)
    dgemm(NO, NO, n, count, n, 1.0, H, n, V, n, 0.0, X, n)
    dgemm(TRANSPOSED, NO, count, count, n, 1.0, V, n, X, n, 0.0, W, count)
    for a in range(count):
        W[a * count + a] += size
    dgemm(NO, NO, n, count, count, -0.5, V, n, W, count, 1.0, X, n)
    dgemm(NO, TRANSPOSED, n, n, count, -1.0, X, n, V, n, 1.0, H, n)
    dgemm(NO, TRANSPOSED, n, n, count, -1.0, V, n, X, n, 1.0, H, n)
