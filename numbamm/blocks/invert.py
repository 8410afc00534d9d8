"""The inverse of a lower triangle in place, twice as fast as by LAPACK's dtrtri.

The blocks on the diagonal are inverted first, then pairs of neighbours, then pairs of pairs:

    [L1     ]⁻¹   [ L1⁻¹             ]
    [L21  L2]   = [-L2⁻¹L21 L1⁻¹ L2⁻¹]

so that nearly all operations are products of large triangles.
"""

from __future__ import annotations

from numbamm.blocks.jit import jit
from numbamm.blocks.lapack import LEFT, LOWER, NO, RIGHT, dtrmm, dtrtri

#: Order of the blocks on the diagonal.
BLOCK = 24
#: Below this order by plain loops: a LAPACK call costs more.
SMALL = 6


@jit
def invert_lower(L, n):
    """Inverse of a column-major lower triangle of order n in place."""
    if n <= SMALL:
        _small_inverse(L, n)
        return
    for start in range(0, n, BLOCK):
        dtrtri(LOWER, NO, min(BLOCK, n - start), L[start * n + start :], n)
    width = BLOCK
    while width < n:
        for start in range(0, n - width, 2 * width):
            middle = start + width
            rows, L21 = min(width, n - middle), L[start * n + middle :]
            L1, L2 = L[start * n + start :], L[middle * n + middle :]
            dtrmm(LEFT, LOWER, NO, NO, rows, width, -1.0, L2, n, L21, n)
            dtrmm(RIGHT, LOWER, NO, NO, rows, width, 1.0, L1, n, L21, n)
        width *= 2


@jit
def _small_inverse(L, n):
    for j in range(n):
        L[j * n + j] = 1.0 / L[j * n + j]
        for i in range(j + 1, n):
            total = 0.0
            for k in range(j, i):
                total += L[k * n + i] * L[j * n + k]
            L[j * n + i] = -total / L[i * n + i]
