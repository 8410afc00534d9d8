"""Sparse Cholesky factorisation by supernodes: columns of L with nearly the same rows, together.

A *supernode* is held as one dense block: its own columns J, and all its rows, J and the rows R
below, so that nearly all operations are products of dense blocks by BLAS. Left-looking: each
supernode collects what the earlier ones subtract from it, and is then factored.

Sources: Ng & Peyton (1993), SIAM J. Sci. Comput. 14, 1034-1056; Ashcraft & Grimes (1989), ACM
Trans. Math. Softw. 15, 291-309; Chen, Davis, Hager & Rajamanickam (2008), ACM Trans. Math. Softw.
35, 22.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, INTEGER, INTEGERS, NOTHING, NUMBER, REALS, record
from numbamm.blocks.lapack import (
    LEFT,
    LOWER,
    NO,
    RIGHT,
    TRANSPOSED,
    dgemm,
    dpotrf,
    dtrsm,
)


class Supernodes(NamedTuple):
    """The supernodes of a factor, of a matrix whose rows and columns are permuted.

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


# ---- structure ------------------------------------------------------------------------------


def parents_and_counts(colptr, rows, P) -> tuple[np.ndarray, np.ndarray]:
    """The elimination tree of a permuted matrix, and the non-zeros of the factor's columns.

    Parameters
    ----------
    colptr, rows : ndarray of int32
        The lower triangle by columns.
    P : ndarray of int
        Row and column i of the permuted matrix are ``P[i]`` of the matrix.

    Returns
    -------
    parent : ndarray of int64, shape (order,)
        -1 for roots.
    counts : ndarray of int64, shape (order,)
    """
    pointers, columns = _permuted_rows(colptr, rows, P)
    parent, counts = np.full(len(P), -1), np.ones(len(P), dtype=np.int64)
    count_columns(pointers, columns, parent, counts)
    return parent, counts


def supernodes_of(colptr, rows, P, parent, counts) -> Supernodes:
    """The supernodes of a factor; see `parents_and_counts`, whose permutation is a postorder."""
    order, bound = len(P), counts.copy()
    first = np.zeros(order + 1, dtype=np.int32)
    number = merge_columns(parent, bound, first)
    first = first[: number + 1].copy()
    width = np.diff(first)
    of = np.repeat(np.arange(number), width).astype(np.int32)
    pointers, columns = _permuted_rows(colptr, rows, P)
    ones = np.ones(len(columns), dtype=bool)
    lower = sp.csr_array((ones, columns, pointers), shape=(order, order)).tocsc()
    arrays = lower.indptr.astype(np.int32), lower.indices.astype(np.int32)
    room = np.concatenate([[0], np.cumsum(bound[first[:-1]])])
    heights, found = np.zeros(number, dtype=np.int32), np.empty(int(room[-1]), dtype=np.int32)
    find_rows(*arrays, first, of, room, heights, found)
    kept = [found[room[s] : room[s] + heights[s]] for s in range(number)]
    return Supernodes(
        first,
        of,
        np.concatenate([[0], np.cumsum(heights)]).astype(np.int32),
        np.concatenate([np.zeros(0, dtype=np.int32), *kept]),
        np.concatenate([[0], np.cumsum(heights.astype(np.int64) * width)]),
    )


def _permuted_rows(colptr, rows, P) -> tuple[np.ndarray, np.ndarray]:
    """The lower triangle of the permuted matrix by rows: pointers and columns."""
    order, at = len(P), np.empty(len(P), dtype=np.int64)
    at[P] = np.arange(order)
    row, column = at[rows], at[np.repeat(np.arange(order), np.diff(colptr))]
    row, column = np.maximum(row, column), np.minimum(row, column)
    lower = sp.csr_array((np.ones(len(row), bool), (row, column)), shape=(order, order))
    return lower.indptr.astype(np.int32), lower.indices.astype(np.int32)


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


@jit(takes=(INDEX, INDEX, INTEGERS, INTEGERS), gives=NOTHING, owns=True)
def count_columns(rowptr, columns, parent, counts):
    """Fill the elimination tree, and add the entries below the diagonal to `counts`.

    A row of the factor has the columns on the paths from the matrix's columns in that row up the
    elimination tree (Liu, 1990, SIAM J. Matrix Anal. Appl. 11, 134-172).
    """
    order = len(counts)
    ancestor = np.full(order, -1)
    for row in range(order):
        for t in range(rowptr[row], rowptr[row + 1]):
            column = np.int64(columns[t])
            while column != -1 and column < row:
                above = ancestor[column]
                ancestor[column] = row
                if above == -1:
                    parent[column] = row
                column = above
    seen = np.full(order, -1)
    for row in range(order):
        seen[row] = row
        for t in range(rowptr[row], rowptr[row + 1]):
            column = np.int64(columns[t])
            while column < row and seen[column] != row:
                counts[column] += 1
                seen[column] = row
                column = parent[column]


@jit(takes=(INTEGERS, INTEGERS, INDEX), gives=INTEGER, owns=True)
def merge_columns(parent, counts, first):
    """Fill `first` with the first columns of supernodes; returns how many there are.

    `counts` of a supernode's first column becomes the number of its rows.

    Neighbours are joined also where that adds zeros, if these are few or the blocks narrow: larger
    blocks are worth more. Limits are CHOLMOD's.
    """
    number, order = 0, len(parent)
    zeros = np.zeros(order + 1)
    for j in range(order):
        if j == 0 or parent[j - 1] != j or counts[j - 1] != counts[j] + 1:
            number += 1  # it has other rows than the column before
        first[number] = j + 1
    return _relaxed(parent, counts, first, number, zeros)


@jit
def _relaxed(parent, counts, first, number, zeros):
    """Join supernodes of `first` with their parents where few zeros are added."""
    kept = 0
    for s in range(number):
        begin, stop = first[s], first[s + 1]
        added = 0.0
        while kept > 0 and parent[begin - 1] >= begin and parent[begin - 1] < stop:
            before = first[kept - 1]
            width, height = begin - before, counts[before]
            merged = stop - before  # columns of both
            tall = width + counts[begin]
            more = zeros[kept - 1] + added + float(width) * float(tall - height)
            size = 0.5 * float(merged) * (merged + 1.0) + float(merged) * (tall - merged)
            share = more / size
            if not (
                merged <= 4
                or (merged <= 16 and share < 0.8)
                or (merged <= 48 and share < 0.1)
                or share < 0.05
            ):
                break
            kept -= 1
            begin, added = before, more
            counts[before] = tall
        first[kept], zeros[kept] = begin, added
        kept += 1
        first[kept] = stop
    return kept


@jit(takes=(INDEX, INDEX, INDEX, INDEX, INTEGERS, INDEX, INDEX), gives=NOTHING, owns=True)
def find_rows(colptr, rows, first, of, room, heights, found):
    """Rows of every supernode: its columns', and those of its children beyond them.

    Parameters
    ----------
    colptr, rows : int32
        The lower triangle of the matrix by columns.
    first, of
        As in `Supernodes`.
    room : int64
        Where the rows of each supernode may begin in `found`.
    heights : int32, shape (number of supernodes,)
        Filled.
    found : int32
        Filled.
    """
    number, order = len(first) - 1, len(of)
    mark = np.full(order, -1)
    child, sibling = np.full(number, -1), np.full(number, -1)
    for s in range(number):
        own = found[room[s] : room[s + 1]]
        n = 0
        for j in range(first[s], first[s + 1]):
            mark[j] = s
            own[n] = j
            n += 1
        for j in range(first[s], first[s + 1]):
            for t in range(colptr[j], colptr[j + 1]):
                if mark[rows[t]] != s:
                    mark[rows[t]] = s
                    own[n] = rows[t]
                    n += 1
        c = child[s]
        while c != -1:
            width = first[c + 1] - first[c]
            for t in range(room[c] + width, room[c] + heights[c]):
                if mark[found[t]] != s:
                    mark[found[t]] = s
                    own[n] = found[t]
                    n += 1
            c = sibling[c]
        heights[s] = n
        own[:n].sort()
        width = first[s + 1] - first[s]
        if n > width:
            above = of[own[width]]
            sibling[s] = child[above]
            child[above] = s


# ---- numbers --------------------------------------------------------------------------------


def update_size(nodes: Supernodes) -> int:
    """Number of floats of the scratch of `factor`."""
    height = np.diff(nodes.rowptr).astype(np.int64)
    width = np.diff(nodes.first).astype(np.int64)
    below = height - width
    return int(np.max(below * np.minimum(below, np.max(width, initial=0)), initial=0))


@jit(takes=(SUPERNODES, REALS, INTEGERS, REALS, REALS), gives=NUMBER, owns=True)
def factor(nodes, values, where, L, scratch):
    """Fill L with the Cholesky factor; returns log|L|², NaN if the matrix is not positive definite.

    Parameters
    ----------
    nodes : Supernodes
    values : float64
        The matrix's entries.
    where : int64
        Their places in L; see `places`.
    L : float64, shape (``nodes.start[-1]``,)
    scratch : float64, shape (`update_size`,)
    """
    number, order = len(nodes.first) - 1, len(nodes.of)
    L[:] = 0.0
    for t in range(len(values)):
        L[where[t]] = values[t]
    at = np.empty(order, dtype=np.int64)
    waiting, following = np.full(number, -1), np.full(number, -1)  # linked lists
    used = np.zeros(number, dtype=np.int64)  # rows of a supernode that are done with
    logdet, product = 0.0, 1.0
    for s in range(number):
        begin, stop = nodes.first[s], nodes.first[s + 1]
        rows = nodes.rows[nodes.rowptr[s] : nodes.rowptr[s + 1]]
        width, height = stop - begin, len(rows)
        block = L[nodes.start[s] : nodes.start[s + 1]]
        for i in range(height):
            at[rows[i]] = i
        d = waiting[s]
        while d != -1:
            after = following[d]
            used[d] = _subtract(nodes, d, used[d], begin, stop, at, L, block, height, scratch)
            _wait(nodes, d, used[d], waiting, following)
            d = after
        if dpotrf(LOWER, width, block, height) != 0:
            return np.nan
        if height > width:
            below, rest = block[width:], height - width
            dtrsm(RIGHT, LOWER, TRANSPOSED, NO, rest, width, 1.0, block, height, below, height)
        for c in range(width):
            product *= block[c * height + c]
            if product > 1e150:
                logdet += math.log(product)
                product = 1.0
        used[s] = width
        _wait(nodes, s, width, waiting, following)
    return 2.0 * (logdet + math.log(product))


@jit
def _wait(nodes, d, used, waiting, following):
    """Put a supernode on the list of the next one that it changes."""
    if used < nodes.rowptr[d + 1] - nodes.rowptr[d]:
        later = nodes.of[nodes.rows[nodes.rowptr[d] + used]]
        following[d] = waiting[later]
        waiting[later] = d


@jit
def _subtract(nodes, d, used, begin, stop, at, L, block, height, scratch):
    """Subtract what an earlier supernode has in these columns; returns its rows up to there."""
    rows = nodes.rows[nodes.rowptr[d] : nodes.rowptr[d + 1]]
    width, tall = nodes.first[d + 1] - nodes.first[d], len(rows)
    done = used
    while done < tall and rows[done] < stop:
        done += 1
    columns, m = done - used, tall - used
    source = L[nodes.start[d] + used : nodes.start[d + 1]]
    C = scratch[: m * columns]
    dgemm(NO, TRANSPOSED, m, columns, width, 1.0, source, tall, source, tall, 0.0, C, m)
    for j in range(columns):
        target = block[(rows[used + j] - begin) * height : (rows[used + j] - begin + 1) * height]
        own = C[j * m : (j + 1) * m]
        for i in range(j, m):
            target[at[rows[used + i]]] -= own[i]
    return done


@jit(takes=(SUPERNODES, REALS, REALS, INTEGER, REALS), gives=NOTHING)
def solve_lower(nodes, L, x, n, scratch):
    """x := L⁻¹x for n columns, column-major; `scratch` has as many floats as x."""
    order = len(nodes.of)
    for s in range(len(nodes.first) - 1):
        begin, width = nodes.first[s], nodes.first[s + 1] - nodes.first[s]
        rows = nodes.rows[nodes.rowptr[s] + width : nodes.rowptr[s + 1]]
        below, height = len(rows), len(rows) + width
        block, own = L[nodes.start[s] : nodes.start[s + 1]], x[begin:]
        dtrsm(LEFT, LOWER, NO, NO, width, n, 1.0, block, height, own, order)
        if below == 0:
            continue
        y, under = scratch[: below * n], block[width:]
        dgemm(NO, NO, below, n, width, 1.0, under, height, own, order, 0.0, y, below)
        for c in range(n):
            target = x[c * order : (c + 1) * order]
            for i in range(below):
                target[rows[i]] -= y[c * below + i]


@jit(takes=(SUPERNODES, REALS, REALS, INTEGER, REALS), gives=NOTHING)
def solve_upper(nodes, L, x, n, scratch):
    """x := L⁻ᵀx for n columns, column-major; `scratch` has as many floats as x."""
    order = len(nodes.of)
    for s in range(len(nodes.first) - 2, -1, -1):
        begin, width = nodes.first[s], nodes.first[s + 1] - nodes.first[s]
        rows = nodes.rows[nodes.rowptr[s] + width : nodes.rowptr[s + 1]]
        below, height = len(rows), len(rows) + width
        block, own = L[nodes.start[s] : nodes.start[s + 1]], x[begin:]
        if below > 0:
            y, under = scratch[: below * n], block[width:]
            for c in range(n):
                source = x[c * order : (c + 1) * order]
                for i in range(below):
                    y[c * below + i] = source[rows[i]]
            dgemm(TRANSPOSED, NO, width, n, below, -1.0, under, height, y, below, 1.0, own, order)
        dtrsm(LEFT, LOWER, TRANSPOSED, NO, width, n, 1.0, block, height, own, order)
