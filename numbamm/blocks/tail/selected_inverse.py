"""The selected inverse: entries of (LL')⁻¹ on the pattern of a sparse factor L.

Columns of L with the same rows below them are a *supernode*, held as one dense block: its own
columns J, and all its rows, J and the rows R below. With Y = L_RJ L_JJ⁻¹ and Z = (LL')⁻¹,

    Z_RJ = -Z_RR Y        Z_JJ = L_JJ⁻ᵀL_JJ⁻¹ - Y'Z_RJ

from the last supernode to the first; every entry of Z_RR lies in supernodes that are done. The work
is that of products of dense blocks, about twice that of the factorisation.

Sources: Takahashi, Fagan & Chin (1973); Erisman & Tinney (1975), Commun. ACM 18, 177-179.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbamm.blocks.invert import invert_lower
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, INTEGERS, NOTHING, REALS, record
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
from numbamm.blocks.vectors import copy


class Supernodes(NamedTuple):
    """The supernodes of a factor.

    Attributes
    ----------
    first : ndarray of int32, shape (number of supernodes + 1,)
        First column of each.
    of : ndarray of int32, shape (order,)
        The supernode of each column.
    rowptr, rows : ndarray of int32
        Rows of each supernode, its own columns first, ascending.
    start : ndarray of int64, shape (number of supernodes + 1,)
        Where the block of each begins in the buffer: its rows by its columns, column-major.
    """

    first: np.ndarray
    of: np.ndarray
    rowptr: np.ndarray
    rows: np.ndarray
    start: np.ndarray


SUPERNODES = record(Supernodes, first=INDEX, of=INDEX, rowptr=INDEX, rows=INDEX, start=INTEGERS)


def supernodes_of(L) -> Supernodes:
    """The supernodes of a lower triangle.

    Parameters
    ----------
    L : scipy.sparse.csc_matrix
        Rows ascending in each column; of a Cholesky factor, with all entries that fill in.
    """
    order, counts = L.shape[0], np.diff(L.indptr)
    below = np.full(order, -1)  # the first row below the diagonal of each column
    more = counts > 1
    below[more] = L.indices[L.indptr[:-1][more] + 1]
    joined = (below[:-1] == np.arange(1, order)) & (counts[1:] == counts[:-1] - 1)
    first = np.concatenate([[0], np.flatnonzero(~joined) + 1, [order]])
    first = np.unique(first) if order else np.zeros(1, dtype=int)
    width = np.diff(first)
    height = counts[first[:-1]] if order else counts
    rows = [L.indices[L.indptr[c] : L.indptr[c + 1]] for c in first[:-1]]
    return Supernodes(
        first.astype(np.int32),
        np.repeat(np.arange(len(width)), width).astype(np.int32),
        np.concatenate([[0], np.cumsum(height)]).astype(np.int32),
        np.concatenate([np.zeros(0, dtype=np.int32), *rows]).astype(np.int32),
        np.concatenate([[0], np.cumsum(height.astype(np.int64) * width)]),
    )


def places(nodes: Supernodes, row, column) -> np.ndarray:
    """Positions in the buffer of entries of the factor's pattern, with row ≥ column.

    Parameters
    ----------
    nodes : Supernodes
    row, column : ndarray of int
    """
    node = nodes.of[column]
    height = np.diff(nodes.rowptr)
    order = len(nodes.of)
    codes = np.repeat(np.arange(len(height), dtype=np.int64), height) * order + nodes.rows
    place = np.searchsorted(codes, node.astype(np.int64) * order + row) - nodes.rowptr[node]
    return nodes.start[node] + (column - nodes.first[node]) * height[node].astype(np.int64) + place


def scratch_size(nodes: Supernodes) -> int:
    """Number of floats of the scratch that `invert_on_pattern` needs."""
    width, height = np.diff(nodes.first).astype(np.int64), np.diff(nodes.rowptr).astype(np.int64)
    below = height - width
    return int(np.max(below**2 + below * width, initial=0) + np.max(width**2, initial=0))


@jit(takes=(SUPERNODES, REALS, REALS, REALS), gives=NOTHING, owns=True)
def invert_on_pattern(nodes, L, Z, scratch):
    """Fill Z with the selected inverse.

    Parameters
    ----------
    nodes : Supernodes
    L : float64, shape (non-zeros,)
        The factor's values, column by column.
    Z : float64, shape (``nodes.start[-1]``,)
        Filled: the lower triangle of each supernode's own block, and the rows below.
    scratch : float64, shape (`scratch_size`,)
    """
    _load(nodes, L, Z)
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
def _load(nodes, L, Z):
    """Copy the factor's columns into the blocks of the supernodes."""
    at = 0
    for s in range(len(nodes.first) - 1):
        height = nodes.rowptr[s + 1] - nodes.rowptr[s]
        for c in range(nodes.first[s + 1] - nodes.first[s]):
            start = nodes.start[s] + c * height + c
            copy(L[at : at + height - c], Z[start : start + height - c])
            at += height - c


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
