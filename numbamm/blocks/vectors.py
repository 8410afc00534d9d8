"""Vectors inside kernels, by plain loops.

numba's own assignments of arrays to arrays carry broadcasting, and the text of the error where it
fails, into every kernel that has one: a fifth of the wait for the first fit.
"""

from __future__ import annotations

from numbamm.blocks.jit import REASSOCIATE, jit


@jit(entry=False, fastmath=REASSOCIATE)
def dot(x, y):
    """Inner product; vectorised, which needs leave to reassociate the sum."""
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@jit(entry=False)
def copy(source, target):
    """target := source, of the same length."""
    for i in range(len(target)):
        target[i] = source[i]


@jit(forceinline=True)
def scale(x, factor):
    """x := factor x."""
    for i in range(len(x)):
        x[i] *= factor
