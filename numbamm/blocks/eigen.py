"""Eigenvalues and eigenvectors of small symmetric matrices."""

from __future__ import annotations

import math

from numbamm.blocks.jit import jit
from numbamm.blocks.lapack import LOWER, VECTORS, dsyev
from numbamm.blocks.vectors import copy

#: Up to this order by Jacobi's rotations: a LAPACK call costs more.
SMALL = 8
SWEEPS = 30


@jit
def eigh(a, n, values, work):
    """Eigenvectors of a symmetric matrix into its columns, and its eigenvalues, in any order.

    Parameters
    ----------
    a : float64, shape (n * n,)
        Column-major; both triangles are read.
    n : int
    values : float64, shape (n,)
    work : float64, shape (at least n * n + 40 n,)
        Scratch.

    Returns
    -------
    bool
        False if the iterations do not converge, as with NaN in the matrix.
    """
    if n <= SMALL:
        return _jacobi(a, n, values, work)
    return dsyev(VECTORS, LOWER, n, a, n, values, work, 40 * n) == 0


@jit
def _jacobi(a, n, values, V):
    size = 0.0
    for i in range(n):
        for j in range(n):
            V[j * n + i] = 1.0 if i == j else 0.0
            size += a[j * n + i] ** 2
    for _ in range(SWEEPS):
        off = 0.0
        for j in range(n):
            for i in range(j):
                off += a[j * n + i] ** 2
        if off <= 1e-32 * size:
            for i in range(n):
                values[i] = a[i * n + i]
            copy(V[: n * n], a[: n * n])
            return True
        for q in range(n):
            for p in range(q):
                if a[q * n + p] != 0.0:
                    _rotate(a, n, p, q, V)
    return False


@jit
def _rotate(a, n, p, q, V):
    """Make a_pq zero by a rotation of columns and rows p and q; V is rotated, too."""
    half = 0.5 * (a[q * n + q] - a[p * n + p]) / a[q * n + p]
    t = math.copysign(1.0, half) / (abs(half) + math.sqrt(half * half + 1.0))
    c = 1.0 / math.sqrt(t * t + 1.0)
    s = t * c
    for i in range(n):
        x, y = a[p * n + i], a[q * n + i]
        a[p * n + i], a[q * n + i] = c * x - s * y, s * x + c * y
    for i in range(n):
        x, y = a[i * n + p], a[i * n + q]
        a[i * n + p], a[i * n + q] = c * x - s * y, s * x + c * y
    for i in range(n):
        x, y = V[p * n + i], V[q * n + i]
        V[p * n + i], V[q * n + i] = c * x - s * y, s * x + c * y
