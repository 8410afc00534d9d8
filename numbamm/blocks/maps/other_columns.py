"""The cross-product A in other columns, which are linear combinations of its own."""

from __future__ import annotations

import numpy as np

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
    ROW,
    ROWS,
    SPARSE,
    Layout,
    P,
)


def in_other_columns(layout: Layout, A, new: Layout, changes, columns) -> np.ndarray:
    """A of Z_k B_k' and [X y] M.

    Parameters
    ----------
    layout : Layout
    A : ndarray, shape (size_a,)
    new : Layout
        Of the same levels and rows; X may have another number of columns.
    changes : list of ndarray, shape (p, p)
        B_k of each term, in the caller's order: ``z_new = B z``.
    columns : ndarray, shape (nx + 1, new nx + 1)
        M.

    Returns
    -------
    ndarray, shape (new.size_a,)
    """
    out = np.full(new.size_a, np.nan)
    B = [changes[k] for k in layout.order]
    for k in range(layout.nterm):
        old, row = layout.table[1 + k], new.table[1 + k]
        p, nlevel = old[[P, NLEVEL]].tolist()
        squares = _region(layout, A, old[DIAG], p * p * nlevel, nlevel, p, p)
        changed = np.einsum("ab,lbc,dc->lad", B[k], squares, B[k])
        _region(new, out, row[DIAG], p * p * nlevel)[:] = changed.ravel()
        for i in range(k + 1, layout.nhead) if k < layout.nhead else ():
            at = 1 + layout.nterm + k * layout.nhead + i
            pi = int(layout.table[1 + i, P])
            block = _region(layout, A, layout.table[at, NESTED], pi * p * nlevel, nlevel, pi, p)
            changed = np.einsum("ab,lbc,dc->lad", B[i], block, B[k])
            _region(new, out, new.table[at, NESTED], pi * p * nlevel)[:] = changed.ravel()
        sparse = _region(layout, A, old[SPARSE], old[NSPARSE] * p, int(old[NSPARSE]), p) @ B[k].T
        _region(new, out, row[SPARSE], old[NSPARSE] * p)[:] = _sparse(layout, k, sparse, B).ravel()
        dense = _region(layout, A, old[DENSE], old[ND] * p * nlevel, nlevel, p, int(old[ND]))
        dense = np.einsum("ab,lbn->lan", B[k], dense)
        _region(new, out, row[DENSE], row[ND] * p * nlevel)[:] = _dense(
            layout, k, dense, B, columns
        ).ravel()
    nx, new_nx = int(layout.table[0, NX]), int(new.table[0, NX])
    cross = _region(layout, A, layout.table[0, CROSS], (nx + 1) ** 2, nx + 1, nx + 1).T
    whole = np.tril(cross) + np.tril(cross, -1).T
    changed = columns.T @ whole @ columns
    _region(new, out, new.table[0, CROSS], (new_nx + 1) ** 2)[:] = changed.ravel()
    return out


def _region(layout: Layout, A, start, length, *shape) -> np.ndarray:
    part = A[start : start + length]
    return part.reshape(shape) if shape else part


def _sparse(layout: Layout, k: int, values, B) -> np.ndarray:
    """Sparse rows of a term, whose groups of rows belong to levels of later terms."""
    table, row = layout.table, layout.table[1 + k]
    tail = layout.index[row[ROWS] : row[ROWS] + row[NSPARSE]]
    out = values.copy()
    for i in range(max(k + 1, layout.nhead), int(table[0, FIRST_DENSE])):
        p, first = int(table[1 + i, P]), table[1 + i, ROW]
        of_term = (tail >= first) & (tail < first + p * table[1 + i, NLEVEL])
        blocks = values[of_term].reshape(-1, p, values.shape[1])
        out[of_term] = np.einsum("ab,lbc->lac", B[i], blocks).reshape(-1, values.shape[1])
    return out


def _dense(layout: Layout, k: int, values, B, columns) -> np.ndarray:
    """Dense rows of a term: those of later terms, of X and of y."""
    table, row, parts = layout.table, layout.table[1 + k], []
    of_xy = values.shape[2] - len(columns)
    at = 0
    for i in range(max(k + 1, int(table[0, FIRST_DENSE])), layout.nterm):
        p, nlevel = table[1 + i, [P, NLEVEL]].tolist()
        assert at == table[1 + i, ROW] - row[D0]
        block = values[:, :, at : at + p * nlevel].reshape(*values.shape[:2], nlevel, p)
        parts.append(np.einsum("xb,lanb->lanx", B[i], block).reshape(*values.shape[:2], -1))
        at += p * nlevel
    return np.concatenate([*parts, values[:, :, of_xy:] @ columns], axis=2)
