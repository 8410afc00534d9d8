"""Where rows that a layout was not built from stand among the sparse rows of their levels."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, LEVELS, NOTHING, TABLE
from numbamm.blocks.layout import FIRST_DENSE, NHEAD, NTERM, PLACES, ROW, ROWPTR, ROWS, P


def places_of(refs, layout) -> np.ndarray:
    """`Layout.places` for rows whose pairs of levels the layout knows: int32, shape (pairs, n).

    Parameters
    ----------
    refs : ndarray of int32, shape (K, n)
        Level of each row for each term, in the table's order.
    layout : Layout
    """
    places = np.zeros((len(layout.places), refs.shape[1]), dtype=np.int32)
    if len(places):
        find_places(refs, layout.table, layout.index, places)
    return places


@jit(takes=(LEVELS, TABLE, INDEX, LEVELS), gives=NOTHING)
def find_places(refs, table, index, places):
    """Fill `places` by binary search among the sparse rows of each row's level."""
    for k in range(table[0, NTERM]):
        pair, pointers, rows = table[1 + k, PLACES], table[1 + k, ROWPTR], table[1 + k, ROWS]
        for i in range(max(k + 1, table[0, NHEAD]), table[0, FIRST_DENSE]):
            start, p = table[1 + i, ROW], table[1 + i, P]
            for n in range(refs.shape[1]):
                wanted = start + refs[i, n] * p
                low = index[pointers + refs[k, n]]
                high = index[pointers + refs[k, n] + 1]
                while low < high:
                    middle = (low + high) // 2
                    if index[rows + middle] < wanted:
                        low = middle + 1
                    else:
                        high = middle
                places[pair, n] = low
            pair += 1
