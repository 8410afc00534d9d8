"""The pairs of levels that occur together, of many rows: sorted by counting, not by comparisons."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import INDEX, INTEGER


@jit(takes=(INDEX, INDEX, INTEGER, INTEGER, INDEX, INDEX, INDEX), owns=True)
def sort_pairs(first, second, nfirst, nsecond, blocks, place, spare):
    """Number the pairs (first, second) that occur, by the first and then by the second.

    Parameters
    ----------
    first, second : int32, shape (n,)
        From 0 on, below `nfirst` and `nsecond`.
    nfirst, nsecond : int
    blocks : int32, shape (2n,)
        Filled with the pairs' first and second members, side by side, as far as there are pairs.
    place : int32, shape (n,)
        Filled with the number of each row's pair.
    spare : int32, shape (2n,)
        Overwritten.

    Returns
    -------
    int
        How many pairs there are.
    """
    n = len(first)
    by_second, by_first = spare[:n], spare[n:]
    starts = np.zeros(nsecond + 1, np.int64)
    for row in range(n):
        starts[second[row] + 1] += 1
    for j in range(nsecond):
        starts[j + 1] += starts[j]
    for row in range(n):
        by_second[starts[second[row]]] = row
        starts[second[row]] += 1
    starts = np.zeros(nfirst + 1, np.int64)
    for row in range(n):
        starts[first[row] + 1] += 1
    for j in range(nfirst):
        starts[j + 1] += starts[j]
    for i in range(n):
        row = by_second[i]
        by_first[starts[first[row]]] = row
        starts[first[row]] += 1
    count = counter()
    a, b = -1, -1
    for i in range(n):
        row = by_first[i]
        if first[row] != a or second[row] != b:
            a, b = first[row], second[row]
            blocks[2 * count], blocks[2 * count + 1] = a, b
            count += 1
        place[row] = count - 1
    return count
