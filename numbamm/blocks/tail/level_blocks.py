"""Products of columns with matrices that are block diagonal, one small block for each level.

The blocks are in one flat array, each of them row-major. Row r of a column is row ``local[r]`` of
its level's block, whose line begins at ``place[r]``; the blocks' orders are `width`.
"""

from __future__ import annotations

from numbamm.blocks.jit import FUSE, jit
from numbamm.blocks.kinds import INTEGERS, MATRIX, NOTHING, REALS


@jit(takes=(REALS, INTEGERS, INTEGERS, INTEGERS, MATRIX, MATRIX), gives=NOTHING, fastmath=FUSE)
def times(blocks, width, local, place, X, out):
    """out = blocks X."""
    for r in range(len(out)):
        target, first = out[r], r - local[r]
        factor, row = blocks[place[r]], X[first]
        for c in range(len(target)):
            target[c] = factor * row[c]
        for b in range(1, width[r]):
            factor, row = blocks[place[r] + b], X[first + b]
            for c in range(len(target)):
                target[c] += factor * row[c]


@jit(takes=(REALS, INTEGERS, INTEGERS, INTEGERS, MATRIX, MATRIX), gives=NOTHING, fastmath=FUSE)
def add_transposed(blocks, width, local, place, X, out):
    """out += blocks'X."""
    for r in range(len(out)):
        target, first = out[r], r - local[r]
        for a in range(width[r]):
            factor, row = blocks[place[first + a] + local[r]], X[first + a]
            for c in range(len(target)):
                target[c] += factor * row[c]
