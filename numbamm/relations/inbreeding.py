"""Inbreeding coefficients of a pedigree, by the ancestors of each animal.

F + 1 = Σ_j l_j² d_j over an animal and its ancestors, l the row of T (see `pedigree`): the path
coefficients to them (Quaas, 1976, Biometrics 32, 949-953; Meuwissen & Luo, 1992, Genet. Sel. Evol.
24, 305-313).
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGERS, NOTHING, REALS


def inbreeding_coefficients(sire, dam, order) -> np.ndarray:
    """F of each animal, shape (q,).

    Parameters
    ----------
    sire, dam : ndarray of int64, shape (q,)
        Positions of the parents, -1 for none.
    order : ndarray of int64, shape (q,)
        Parents before their offspring.
    """
    q = len(order)
    rank = np.empty(q + 1, dtype=np.int64)
    rank[order] = np.arange(q)
    rank[-1] = -1  # of an unknown parent
    F = np.zeros(q)
    find_inbreeding(rank[sire[order]], rank[dam[order]], F)
    out = np.empty(q)
    out[order] = F
    return out


@jit(takes=(INTEGERS, INTEGERS, REALS), gives=NOTHING, owns=True)
def find_inbreeding(sire, dam, F):
    """Fill F; animals are numbered so that parents come first, and -1 is an unknown parent.

    An animal's ancestors are taken from the youngest to the oldest, from a heap, so that the path
    coefficients to each are complete when it is its turn. Full sibs follow each other often, and
    have the same F.
    """
    q = len(F)
    paths, d = np.zeros(q), np.empty(q)
    heap, size = np.empty(q, np.int64), 0
    for i in range(q):
        s, m = sire[i], dam[i]
        own = 1.0
        if s >= 0:
            own -= 0.25 * (1.0 + F[s])
        if m >= 0:
            own -= 0.25 * (1.0 + F[m])
        d[i] = own
        if s < 0 or m < 0:
            continue
        if i > 0 and sire[i - 1] == s and dam[i - 1] == m:
            F[i] = F[i - 1]
            continue
        total = -1.0
        paths[i] = 1.0
        heap[0], size = i, 1
        while size > 0:
            j = heap[0]
            size -= 1
            _sift_down(heap, size)
            own = paths[j]
            paths[j] = 0.0
            total += own * own * d[j]
            size = _add(sire[j], 0.5 * own, paths, heap, size)
            size = _add(dam[j], 0.5 * own, paths, heap, size)
        F[i] = max(total, 0.0)


@jit
def _add(parent, share, paths, heap, size):
    """Add a path to a parent, which enters the heap at its first; returns the heap's new size."""
    if parent < 0:
        return size
    if paths[parent] != 0.0:
        paths[parent] += share
        return size
    paths[parent] = share
    at = size
    while at > 0 and heap[(at - 1) // 2] < parent:
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = parent
    return size + 1


@jit
def _sift_down(heap, size):
    """Put the last element of the heap, which has one element more than `size`, in its place."""
    last, at = heap[size], 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= last:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = last
