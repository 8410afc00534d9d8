"""`SparsePattern`: where a sparse tail has non-zeros, found once for a model.

The tail's rows are ``[sparse terms | dense terms | X | y]``, see `blocks.layout`. The sparse terms'
part of T is held by columns (CSC, lower triangle); all rows behind it are its dense *border*, as
many columns as dense terms, X and y have. An entry of the sparse part is non-zero where A has one,
and between any two rows that share a level of the head: the level's elimination fills it in. Since
the rows of a level are among those of its parent, the last head term says where.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from numbamm.blocks.kinds import INDEX, TABLE, record
from numbamm.blocks.layout import (
    D0,
    FIRST_DENSE,
    NHEAD,
    NLEVEL,
    NSPARSE,
    ROW,
    ROWPTR,
    ROWS,
    P,
)

#: Columns by which the number of non-zeros is estimated before all are found.
SAMPLE = 64


class SparsePattern(NamedTuple):
    """The pattern as kernels take it.

    Attributes
    ----------
    colptr, rows : ndarray of int32
        Lower triangle of the sparse terms' part of T, rows ascending in each column.
    lists : ndarray of int32
        For each head term, and each row of the sparse part: the positions of the row among the
        term's sparse rows, and the levels to which they belong.
    starts : ndarray of int64, shape (number of head terms, 3)
        Where in `lists` a term's pointers, positions and levels begin.
    """

    colptr: np.ndarray
    rows: np.ndarray
    lists: np.ndarray
    starts: np.ndarray


PATTERN = record(SparsePattern, colptr=INDEX, rows=INDEX, lists=INDEX, starts=TABLE)


def order_of_sparse_part(layout) -> int:
    """Number of the tail's rows that belong to sparse terms."""
    return int(layout.table[1, D0])


def pattern_of(layout) -> SparsePattern:
    """Find the pattern of a layout."""
    order = order_of_sparse_part(layout)
    blocks = _blocks(layout)
    lower = sp.tril(_filled(layout, blocks), format="csc")
    colptr, rows = _expanded(lower, blocks, order)
    return SparsePattern(colptr, rows, *_lists(layout, order))


def estimated_nonzeros(layout) -> float:
    """About the number of non-zeros of the lower triangle, from some columns."""
    order, blocks = order_of_sparse_part(layout), _blocks(layout)
    if len(blocks) <= SAMPLE:
        return len(pattern_of(layout).rows) if order else 0.0
    chosen = np.linspace(0, len(blocks) - 1, SAMPLE).astype(int)
    rows = _level_rows(layout, blocks).tocsc()
    size = np.diff(np.append(blocks, order))
    within = _within(layout, blocks) + _related(layout, blocks)
    filled = rows.T @ rows[:, chosen] + within[:, chosen]
    per_column = np.bincount(filled.tocoo().row, minlength=len(blocks)) @ size
    return order * (per_column / SAMPLE + size.mean()) / 2


def _blocks(layout) -> np.ndarray:
    """First rows of the levels of all sparse terms, ascending."""
    table, starts = layout.table, [np.zeros(0, dtype=np.int64)]
    for k in range(table[0, NHEAD], table[0, FIRST_DENSE]):
        row = table[1 + k]
        starts.append(row[ROW] + row[P] * np.arange(row[NLEVEL]))
    return np.concatenate(starts)


def _level_rows(layout, blocks) -> sp.csr_array:
    """Which blocks share a level of the last head term; shape (levels, blocks)."""
    if layout.table[0, NHEAD] == 0:
        return sp.csr_array((0, len(blocks)), dtype=np.int32)
    return _sparse_blocks(layout, int(layout.table[0, NHEAD]) - 1, blocks)


def _sparse_blocks(layout, k: int, blocks) -> sp.csr_array:
    """Blocks among the sparse rows of each level of term k, ones; shape (levels, blocks)."""
    row = layout.table[1 + k]
    rowptr = layout.index[row[ROWPTR] : row[ROWPTR] + row[NLEVEL] + 1]
    rows = layout.index[row[ROWS] : row[ROWS] + row[NSPARSE]]
    is_first = np.isin(rows, blocks)
    first = np.concatenate([[0], np.cumsum(is_first)])
    columns = np.searchsorted(blocks, rows[is_first])
    ones = np.ones(len(columns), dtype=np.int32)
    return sp.csr_array((ones, columns, first[rowptr]), shape=(row[NLEVEL], len(blocks)))


def _within(layout, blocks) -> sp.csc_array:
    """Blocks of A among the sparse terms, each with its mirror image."""
    table = layout.table
    nhead, first_dense = table[0, NHEAD], table[0, FIRST_DENSE]
    parts = [_sparse_blocks(layout, k, blocks) for k in range(nhead, first_dense)]
    if not parts:
        return sp.csc_array((0, 0), dtype=np.int32)
    columns = sp.vstack(parts, format="csr")  # a row for each level: its column of A
    eye = sp.eye_array(len(blocks), dtype=np.int32)
    return (columns + columns.T + eye).tocsc()


def _filled(layout, blocks) -> sp.csc_array:
    rows = _level_rows(layout, blocks)
    within = _within(layout, blocks) + _related(layout, blocks)
    return (rows.T @ rows + within).tocsc()


def _related(layout, blocks) -> sp.csc_array:
    """Blocks between levels whose precision is not zero, ones."""
    where = [(np.zeros(0, dtype=np.int64),) * 2]
    for k, precision in layout.related.items():
        first = int(np.searchsorted(blocks, layout.table[1 + k, ROW]))
        where.append(tuple(first + at for at in precision.nonzero()))
    row, column = (np.concatenate(part) for part in zip(*where, strict=True))
    shape = (len(blocks), len(blocks))
    return sp.csc_array((np.ones(len(row), dtype=np.int32), (row, column)), shape=shape)


def related_entries(layout, pattern: SparsePattern) -> tuple[np.ndarray, np.ndarray]:
    """What known covariances add to Ω = Λ'TΛ + I of the sparse part: Q ⊗ I - I.

    Returns
    -------
    places : ndarray of int64
        Positions among the pattern's entries.
    values : ndarray of float64
    """
    order = len(pattern.colptr) - 1
    lower = sp.csc_array(
        (np.arange(1, 1 + len(pattern.rows)), pattern.rows, pattern.colptr), shape=(order, order)
    )
    found = [(np.zeros(0, dtype=np.int64), np.zeros(0))]
    for k, precision in layout.related.items():
        p, first = int(layout.table[1 + k, P]), int(layout.table[1 + k, ROW])
        added = sp.kron(precision - sp.eye_array(len(precision.indptr) - 1), sp.eye_array(p))
        added = sp.coo_array(sp.tril(added))
        places = lower[first + added.coords[0], first + added.coords[1]]
        found.append((np.asarray(places, dtype=np.int64).ravel() - 1, added.data))
    places, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return places, values


def _expanded(lower, blocks, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Column pointers and rows of single rows and columns, from those of blocks."""
    lower.sort_indices()
    size = np.diff(np.append(blocks, order))
    counts = np.diff(lower.indptr)
    of_block = size[lower.indices]  # rows of each block
    below = np.concatenate([[0], np.cumsum(of_block)])
    heights = below[lower.indptr[1:]] - below[lower.indptr[:-1]]  # rows of each column of blocks
    first = np.repeat(blocks[lower.indices] - below[:-1], of_block)
    block_rows = first + np.arange(below[-1])
    if (size == 1).all():
        return lower.indptr.astype(np.int32), block_rows.astype(np.int32)
    pieces, lengths = [], []
    for j in np.flatnonzero(counts):
        rows = block_rows[below[lower.indptr[j]] : below[lower.indptr[j + 1]]]
        for b in range(size[j]):  # the block on the diagonal comes first
            pieces.append(rows[b:])
            lengths.append(heights[j] - b)
    colptr = np.concatenate([[0], np.cumsum(lengths)])
    return colptr.astype(np.int32), np.concatenate(pieces).astype(np.int32)


def _lists(layout, order: int) -> tuple[np.ndarray, np.ndarray]:
    """`lists` and `starts` of a `SparsePattern`."""
    table, pieces, starts, at = layout.table, [], [], 0
    for k in range(table[0, NHEAD]):
        row = table[1 + k]
        rowptr = layout.index[row[ROWPTR] : row[ROWPTR] + row[NLEVEL] + 1]
        rows = layout.index[row[ROWS] : row[ROWS] + row[NSPARSE]]
        positions = np.argsort(rows, kind="stable")
        levels = np.repeat(np.arange(row[NLEVEL]), np.diff(rowptr))[positions]
        pointers = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=order))])
        starts.append([at, at + len(pointers), at + len(pointers) + len(positions)])
        pieces += [pointers, positions, levels]
        at += len(pointers) + 2 * len(positions)
    return (
        np.concatenate([np.zeros(0, dtype=np.int32), *pieces]).astype(np.int32),
        np.array(starts, dtype=np.int64).reshape(-1, 3),
    )
