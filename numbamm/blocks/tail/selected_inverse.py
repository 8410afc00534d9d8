"""The selected inverse: entries of (LL')⁻¹ on the pattern of a sparse factor L.

A supernode (`supernodes`) has columns J, and rows R below them. With Y = L_RJ L_JJ⁻¹ and
Z = (LL')⁻¹,

    Z_RJ = -Z_RR Y        Z_JJ = L_JJ⁻ᵀL_JJ⁻¹ - Y'Z_RJ

from the last supernode to the first; every entry of Z_RR lies in supernodes that are done. The work
is that of products of dense blocks, about twice that of the factorisation.

Sources: Takahashi, Fagan & Chin (1973); Erisman & Tinney (1975), Commun. ACM 18, 177-179.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.invert import invert_lower
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import NOTHING, REALS
from numbamm.blocks.lapack import (
    LEFT,
    LOWER,
    NO,
    RIGHT,
    TRANSPOSED,
    dgemm,
    dlauum,
    dsymm,
    dtrsm,
)
from numbamm.blocks.tail.supernodes import SUPERNODES, Supernodes
from numbamm.blocks.vectors import copy


def scratch_size(nodes: Supernodes) -> int:
    """Number of floats of the scratch that `invert_on_pattern` needs."""
    width, height = np.diff(nodes.first).astype(np.int64), np.diff(nodes.rowptr).astype(np.int64)
    below = height - width
    return int(np.max(below**2 + below * width, initial=0) + np.max(width**2, initial=0))


@jit(takes=(SUPERNODES, REALS, REALS), gives=NOTHING, owns=True)
def invert_on_pattern(nodes, Z, scratch):
    """Replace a factor by its selected inverse.

    Parameters
    ----------
    nodes : Supernodes
    Z : float64, shape (``nodes.start[-1]``,)
        The factor; overwritten: the lower triangle of each supernode's own block, and the rows
        below.
    scratch : float64, shape (`scratch_size`,)
    """
    relative = np.empty(len(nodes.of), dtype=np.int64)
    for s in range(len(nodes.first) - 2, -1, -1):
        width, height = nodes.first[s + 1] - nodes.first[s], nodes.rowptr[s + 1] - nodes.rowptr[s]
        below = height - width
        block = Z[nodes.start[s] : nodes.start[s + 1]]
        inverse = scratch[: width * width]
        _inverse(block, width, height, inverse)
        if below > 0:
            Y = scratch[width * width : width * width + below * width]
            Z_RR = scratch[width * width + below * width :]
            dtrsm(RIGHT, LOWER, NO, NO, below, width, 1.0, block, height, block[width:], height)
            for c in range(width):
                copy(block[c * height + width : (c + 1) * height], Y[c * below : (c + 1) * below])
            _gather(s, width, below, nodes, Z, relative, Z_RR)
            target = block[width:]
            dsymm(LEFT, LOWER, below, width, -1.0, Z_RR, below, Y, below, 0.0, target, height)
            _subtract(Y, target, below, width, height, inverse)
        for c in range(width):
            copy(
                inverse[c * width + c : (c + 1) * width], block[c * height + c : c * height + width]
            )


@jit
def _subtract(Y, target, below, width, height, inverse):
    """inverse -= Y'target."""
    dgemm(TRANSPOSED, NO, width, width, below, -1.0, Y, below, target, height, 1.0, inverse, width)


@jit
def _inverse(block, width, height, inverse):
    """L⁻ᵀL⁻¹ of a supernode's own block, in the lower triangle; zero above."""
    if width == 1:
        inverse[0] = 1.0 / (block[0] * block[0])
        return
    for c in range(width):
        inverse[c * width : c * width + c] = 0.0
        copy(block[c * height + c : c * height + width], inverse[c * width + c : (c + 1) * width])
    invert_lower(inverse, width)
    dlauum(LOWER, width, inverse, width)


@jit
def _gather(s, width, below, nodes, Z, relative, Z_RR):
    """Lower triangle of Z between the rows below a supernode, from the later supernodes."""
    R = nodes.rows[nodes.rowptr[s] + width : nodes.rowptr[s + 1]]
    c = 0
    while c < below:
        later = nodes.of[R[c]]
        first, stop = nodes.first[later], nodes.first[later + 1]
        height = nodes.rowptr[later + 1] - nodes.rowptr[later]
        rows = nodes.rows[nodes.rowptr[later] : nodes.rowptr[later + 1]]
        at = stop - first
        for r in range(c, below):
            if R[r] < stop:
                relative[r] = R[r] - first
            else:
                while rows[at] < R[r]:
                    at += 1
                relative[r] = at
        block = Z[nodes.start[later] : nodes.start[later + 1]]
        while c < below and R[c] < stop:
            column = block[(R[c] - first) * height : (R[c] - first + 1) * height]
            target = Z_RR[c * below : (c + 1) * below]
            for r in range(c, below):
                target[r] = column[relative[r]]
            c += 1
