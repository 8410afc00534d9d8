"""Z'Z, Z'[X y] and [X y]'[X y] out of a model's cross-product A, as matrices."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from numbamm.blocks.layout import (
    CROSS,
    D0,
    DENSE,
    DIAG,
    FIRST_DENSE,
    ND,
    NESTED,
    NLEVEL,
    NSPARSE,
    NX,
    PARENT,
    ROW,
    ROWPTR,
    ROWS,
    SPARSE,
    Layout,
    P,
)


def products(layout: Layout, A) -> tuple[sp.csr_array, np.ndarray, np.ndarray]:
    """The parts of A, with the terms in the caller's order.

    Parameters
    ----------
    layout : Layout
    A : ndarray, shape (size_a,)

    Returns
    -------
    ZZ : sparse array, shape (q, q)
        Blocks of levels that do not occur together are not stored.
    Zxy : ndarray, shape (q, nx + 1)
        Z'[X y].
    xy : ndarray, shape (nx + 1, nx + 1)
        [X y]'[X y].
    """
    table, nx = layout.table, int(layout.table[0, NX])
    terms = table[1 : 1 + layout.nterm]
    width = terms[:, P] * terms[:, NLEVEL]
    given = np.argsort(layout.order)
    start = np.zeros(layout.nterm, dtype=np.int64)  # of each term, in the caller's order
    start[given] = np.cumsum(width[given]) - width[given]
    Zxy = np.zeros((int(width.sum()), nx + 1))
    parts = [_diagonal(row, at, A) for row, at in zip(terms, start, strict=True)]
    for k, row in enumerate(terms):
        columns = start[k] + np.arange(width[k])
        dense = A[row[DENSE] : row[DENSE] + row[ND] * width[k]].reshape(width[k], row[ND])
        Zxy[columns] = dense[:, row[ND] - nx - 1 :]
        parts += _mirrored(*_nested(layout, k, start, A))
        parts += _mirrored(*_sparse(layout, k, start, A))
        for i in range(max(k + 1, table[0, FIRST_DENSE]), layout.nterm):
            first = terms[i, ROW] - row[D0]
            block = dense[:, first : first + width[i]]
            at, below = np.nonzero(block)
            parts += _mirrored(start[i] + below, columns[at], block[at, below])
    rows, columns, values = (np.concatenate(piece) for piece in zip(*parts, strict=True))
    ZZ = sp.csr_array(sp.coo_array((values, (rows, columns)), shape=(len(Zxy), len(Zxy))))
    cross = A[table[0, CROSS] : table[0, CROSS] + (nx + 1) ** 2].reshape(nx + 1, nx + 1)
    lower = np.tril(cross.T)  # column-major
    return ZZ, Zxy, lower + np.tril(lower, -1).T


def _mirrored(rows, columns, values) -> list[tuple[np.ndarray, ...]]:
    return [(rows, columns, values), (columns, rows, values)]


def _blocks(rows, columns, blocks) -> tuple[np.ndarray, ...]:
    """Coordinates of blocks, shape (number, a, b), that begin at these rows and columns."""
    _, a, b = blocks.shape
    rows = np.broadcast_to(rows[:, None, None] + np.arange(a)[:, None], blocks.shape)
    columns = np.broadcast_to(columns[:, None, None] + np.arange(b), blocks.shape)
    return rows.ravel(), columns.ravel(), blocks.ravel()


def _diagonal(row, at, A) -> tuple[np.ndarray, ...]:
    p, nlevel = row[[P, NLEVEL]].tolist()
    blocks = A[row[DIAG] : row[DIAG] + p * p * nlevel].reshape(nlevel, p, p)
    first = at + p * np.arange(nlevel)
    return _blocks(first, first, blocks)


def _nested(layout, k: int, start, A) -> tuple[np.ndarray, ...]:
    """Blocks of a head term with the later ones in which it is nested."""
    table, nhead, found = layout.table, layout.nhead, []
    p, nlevel = table[1 + k, [P, NLEVEL]].tolist()
    for i in range(k + 1, nhead) if k < nhead else ():
        pair, pi = table[1 + layout.nterm + k * nhead + i], int(table[1 + i, P])
        blocks = A[pair[NESTED] : pair[NESTED] + pi * p * nlevel].reshape(nlevel, pi, p)
        parent = layout.index[pair[PARENT] : pair[PARENT] + nlevel].astype(np.int64)
        found.append(_blocks(start[i] + pi * parent, start[k] + p * np.arange(nlevel), blocks))
    return _joined(found)


def _sparse(layout, k: int, start, A) -> tuple[np.ndarray, ...]:
    """Blocks of a term with the later sparse ones of the tail."""
    table, row = layout.table, layout.table[1 + k]
    p, nlevel, nsparse = row[[P, NLEVEL, NSPARSE]].tolist()
    values = A[row[SPARSE] : row[SPARSE] + nsparse * p].reshape(nsparse, 1, p)
    pointers = layout.index[row[ROWPTR] : row[ROWPTR] + nlevel + 1]
    tail = layout.index[row[ROWS] : row[ROWS] + nsparse].astype(np.int64)
    level = np.repeat(np.arange(nlevel), np.diff(pointers))
    terms = np.arange(layout.nhead, int(table[0, FIRST_DENSE]))
    if not len(terms) or not nsparse:
        return _joined([])
    firsts = table[1 + terms, ROW]
    term = np.searchsorted(firsts, tail, side="right") - 1
    return _blocks(tail - firsts[term] + start[terms[term]], start[k] + p * level, values)


def _joined(found: list) -> tuple[np.ndarray, ...]:
    none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    return tuple(np.concatenate(piece) for piece in zip(none, *found, strict=True))
