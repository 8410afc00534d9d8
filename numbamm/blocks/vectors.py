"""Vectors inside kernels, by plain loops.

numba compiles an assignment of an array to an array together with broadcasting and its error
messages, in every kernel that has one. Without them the first fit compiles in a fifth less time.
"""

from __future__ import annotations

from numbamm.blocks.jit import REASSOCIATE, jit


@jit(entry=False, fastmath=REASSOCIATE)
def dot(x, y):
    """Inner product; the sum may be reassociated, so that it is vectorised."""
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
