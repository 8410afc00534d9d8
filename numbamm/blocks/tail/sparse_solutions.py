"""What follows from a sparse tail's factor: effects, average information, forms of rows."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.information import direction, head_products
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, LEVELS, MATRIX, NOTHING, REALS, TABLE
from numbamm.blocks.layout import (
    D0,
    LAMBDA,
    NHEAD,
    NLEVEL,
    ORDER,
    ROW,
    P,
)
from numbamm.blocks.solve import head_scratch, solve_above, tail_vector
from numbamm.blocks.tail.sparse_pattern import PATTERN


@jit(takes=(TABLE, INDEX, REALS, REALS, REALS), gives=NOTHING)
def complete_effects(table, index, work, u, b):
    """See `solve.solve_above`."""
    solve_above(table, index, work, u, b)


@jit(
    takes=(TABLE, INDEX, REALS, REALS, TABLE, MATRIX, REALS, REALS, MATRIX, REALS, REALS),
    gives=NOTHING,
    owns=True,
)
def head_information(table, index, A, work, entries, changes, u, b, inner, slope, tail):
    """See `information.head_products`."""
    head_products(table, index, A, work, entries, changes, u, b, inner, slope, tail)


@jit(takes=(TABLE, REALS, TABLE, MATRIX, REALS, REALS, REALS, MATRIX), gives=NOTHING)
def tail_directions(table, work, entries, changes, u, c, slope, h):
    """Fill h_t of the tail's entries of λ, a row each, and add c'Λ̇_t u; see `information`.

    u and c are those of the tail; `h` has a row for each entry, zero before.
    """
    for t in range(entries.shape[1]):
        k = entries[0, t]
        if k < table[0, NHEAD]:
            continue
        p = table[1 + k, P]
        lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
        for level in range(table[1 + k, NLEVEL]):
            at = table[1 + k, ROW] + level * p
            own = u[at : at + p], c[at : at + p], p, h[t, at : at + p]
            slope[t] += direction(t, entries, changes, lam, *own)


@jit(
    takes=(
        *(LEVELS, MATRIX, MATRIX, TABLE, INDEX, REALS, PATTERN),
        *(REALS, MATRIX, MATRIX, REALS, REALS, REALS),
    ),
    gives=NOTHING,
    owns=True,
)
def forms_on_pattern(refs, z, x, table, index, work, pattern, V, border, corner, e, t, out):
    """Quadratic forms of rows, as `solve.quadratic_forms`, with V on the pattern of T.

    Parameters
    ----------
    refs, z, x, table, index, work, e, t, out
        As for `solve.quadratic_forms`; NaN is put into `out` for a row of the data whose levels
        meet at an entry of V that is not in the pattern.
    pattern, V : SparsePattern, float64
        Λ(LL')⁻¹Λ' of the sparse part.
    border, corner : float64, shape (order of the sparse part, nd) and (nd, nd)
        The same of its rows in the border, and of the dense terms, X and y.
    """
    m, d0 = table[0, ORDER], table[1, D0]
    touched, last = np.empty(m, np.int64), np.full(m, -1, np.int64)
    head = head_scratch(table)
    for row in range(len(out)):
        total, ntouched = tail_vector(
            row, refs, z, x, table, index, work, head, touched, last, e, t
        )
        for i in range(ntouched):
            r = touched[i]
            if t[r] == 0.0:
                continue
            inner = 0.0
            for c in range(len(corner)):
                inner += border[r, c] * t[d0 + c]
            total += 2.0 * t[r] * inner
            for j in range(ntouched):
                s = touched[j]
                if s <= r and t[s] != 0.0:
                    value = t[r] * t[s] * _entry(pattern, V, r, s)
                    total += value if r == s else 2.0 * value
        for c in range(len(corner)):
            if t[d0 + c] != 0.0:
                for d in range(len(corner)):
                    total += t[d0 + c] * corner[c, d] * t[d0 + d]
        out[row] = total
        for i in range(ntouched):
            t[touched[i]] = 0.0
        t[d0:] = 0.0


@jit(
    takes=(LEVELS, MATRIX, MATRIX, TABLE, INDEX, REALS, REALS, MATRIX, REALS),
    gives=NOTHING,
    owns=True,
)
def tail_vectors(refs, z, x, table, index, work, e, t, out):
    """The head's share of the quadratic forms of rows, and their vectors t in the tail.

    Parameters
    ----------
    refs, z, x, table, index, work, e, out
        As for `solve.quadratic_forms`.
    t : float64, shape (n, m)
        Filled; zero before.
    """
    m = table[0, ORDER]
    touched, last = np.empty(m, np.int64), np.full(m, -1, np.int64)
    head = head_scratch(table)
    for row in range(len(out)):
        out[row], _ = tail_vector(
            row, refs, z, x, table, index, work, head, touched, last, e, t[row]
        )


@jit
def _entry(pattern, V, row, column):
    """An entry of V on the pattern, row ≥ column; NaN if it is not there."""
    low, high = pattern.colptr[column], pattern.colptr[column + 1] - 1
    while low <= high:
        middle = (low + high) // 2
        found = pattern.rows[middle]
        if found == row:
            return V[middle]
        if found < row:
            low = middle + 1
        else:
            high = middle - 1
    return np.nan
