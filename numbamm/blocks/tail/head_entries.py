"""Back substitution, average information and reduced rows of the head, for callers in Python."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.information import head_products
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, LEVELS, MATRIX, NOTHING, REALS, TABLE
from numbamm.blocks.layout import NHEAD, ORDER
from numbamm.blocks.solve import head_starts, reduce_row, solve_head


@jit(takes=(TABLE, INDEX, REALS, REALS, REALS), gives=NOTHING)
def head_solution(table, index, work, u, b):
    """Fill the head's part of u and b = Λu; see `solve.solve_head`."""
    solve_head(table, index, work, u, b)


@jit(
    takes=(TABLE, INDEX, REALS, REALS, TABLE, REALS, REALS, MATRIX, REALS, REALS),
    gives=NOTHING,
    owns=True,
)
def head_information(table, index, A, work, entries, u, b, inner, slope, tail):
    """Add the head's share to the average information; see `information.head_products`."""
    head_products(table, index, A, work, entries, u, b, inner, slope, tail)


@jit(takes=(LEVELS, MATRIX, MATRIX, TABLE, INDEX, REALS, REALS, MATRIX, REALS), owns=True)
def reduced_rows(refs, z, x, table, index, work, e, T, out):
    """Rows as the tail sees them: see `solve.quadratic_forms`, whose form is e'e + t'Vt.

    Parameters
    ----------
    refs, z, x, table, index, work, e
        As there.
    T : float64, shape (n, m)
        Zeros; filled with t of each row.
    out : float64, shape (n,)
        Filled with e'e.
    """
    nhead, m = table[0, NHEAD], table[0, ORDER]
    starts, number = head_starts(table), np.zeros(nhead, np.int64)
    levels = np.empty((nhead, nhead), np.int64)
    touched, last = np.empty(m, np.int64), np.full(m, -1, np.int64)
    for row in range(len(out)):
        reduce_row(
            row,
            refs,
            z,
            x,
            table,
            index,
            work,
            e,
            T[row],
            starts,
            number,
            levels,
            touched,
            last,
            out[row : row + 1],
        )
