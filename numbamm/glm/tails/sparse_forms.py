"""h_i = z_i'Λ M⁻¹ Λ'z_i of all rows where M has a sparse tail.

All levels that meet in a row of the data meet in A: U = ΛM⁻¹Λ' is known where they do, on the
pattern of the tail's sparse part, in its border and in its corner (`blocks.tail.sparse_tail`).
"""

from __future__ import annotations

from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import LEVELS, MATRIX, NOTHING, REALS, TABLE
from numbamm.blocks.layout import COLUMN, D0, FIRST_DENSE, ND, NHEAD, NTERM, ROW, P
from numbamm.blocks.tail.sparse_pattern import PATTERN
from numbamm.glm.gradient import add_crossed_forms, add_head_forms


@jit(
    takes=(LEVELS, MATRIX, TABLE, LEVELS, PATTERN, *5 * (REALS,)),
    gives=NOTHING,
)
def forms_of_rows(refs, z, table, places, pattern, U, border, corner, adjoint, h):
    """Fill h.

    Parameters
    ----------
    refs, z, table, places
        Layout, and rows without weights; see `glm.working`.
    pattern : SparsePattern
    U, border, corner, adjoint : float64
        As in `sparse_tail.OfLogdet`; border and corner row by row.
    h : float64, shape (n,)
    """
    nterm, nhead, first_dense = table[0, NTERM], table[0, NHEAD], table[0, FIRST_DENSE]
    d0, nd = table[1, D0], table[1, ND]
    h[:] = 0.0
    add_head_forms(h, refs, z, table, places, adjoint)
    for k in range(nhead, nterm):
        p = table[1 + k, P]
        for i in range(k, first_dense):
            _add_forms_on_pattern(h, k, i, refs, z, table, pattern, U)
        for i in range(max(k, first_dense), nterm):
            steps, column = (p * nd, table[1 + i, P]), table[1 + i, ROW] - d0
            if k < first_dense:
                start = table[1 + k, ROW] * nd + column
                add_crossed_forms(h, 2.0, k, i, refs, z, table, border[start:], steps, 1, nd)
                continue
            start, factor = (table[1 + k, ROW] - d0) * nd + column, 1.0 if i == k else 2.0
            add_crossed_forms(h, factor, k, i, refs, z, table, corner[start:], steps, 1, nd)


@jit
def _add_forms_on_pattern(h, k, i, refs, z, table, pattern, U):
    """Add the part of h due to two sparse terms of the tail, or to one with itself."""
    p, pi, column, column_i = (
        table[1 + k, P],
        table[1 + i, P],
        table[1 + k, COLUMN],
        table[1 + i, COLUMN],
    )
    for row in range(len(h)):
        at = table[1 + k, ROW] + refs[k, row] * p
        if i == k:
            for b in range(p):
                start = pattern.colptr[at + b]
                for a in range(b, p):
                    value = z[row, column + a] * U[start + a - b] * z[row, column + b]
                    h[row] += value if a == b else 2.0 * value
            continue
        q = _place(pattern, at, table[1 + i, ROW] + refs[i, row] * pi)
        for b in range(p):
            start = pattern.colptr[at + b] + q - b
            for a in range(pi):
                h[row] += 2.0 * z[row, column_i + a] * U[start + a] * z[row, column + b]


@jit
def _place(pattern, column, row):
    """Where a row stands in a column of the pattern, which has it."""
    start = pattern.colptr[column]
    low, high = counter(), pattern.colptr[column + 1] - start - 1
    while low < high:
        middle = (low + high) // 2
        if pattern.rows[start + middle] < row:
            low = middle + 1
        else:
            high = middle
    return low
