"""Sparse positive definite matrices of all shapes, and their factors by supernodes."""

import numpy as np

from numbamm.blocks.tail.supernodes import (
    factor,
    parents_and_counts,
    places,
    supernodes_of,
    update_size,
)


def random(n, density, seed):
    rng = np.random.default_rng(seed)
    B = np.where(rng.random((n, n)) < density, rng.normal(size=(n, n)), 0.0)
    return B @ B.T + np.eye(n)


ARROW = 5 * np.eye(12)
ARROW[-1, :-1] = ARROW[:-1, -1] = 1.0
EYE = np.eye(40)
SHAPES = {
    "one": np.array([[2.0]]),
    "diagonal": np.diag(np.arange(1.0, 90)),
    "dense": random(30, 1.0, 1),
    "band": np.diag(np.full(20, 3.0)) + np.diag(np.ones(19), 1) + np.diag(np.ones(19), -1),
    "arrow": ARROW,
    "islands": np.kron(np.eye(3), random(5, 0.6, 2)),
    "large supernodes": np.block([[random(40, 1.0, 3), EYE], [EYE, random(40, 1.0, 4)]]),
}


def lower(A):
    """Column pointers, rows and values of the lower triangle."""
    row, column = np.nonzero(np.tril(A).T)[::-1]
    colptr = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=len(A)))])
    return colptr.astype(np.int32), row.astype(np.int32), A[row, column]


def factored(A, P):
    """Supernodes, the factor's buffer, and log|A|."""
    colptr, rows, values = lower(A)
    parent, counts = parents_and_counts(colptr, rows, P)
    nodes = supernodes_of(colptr, rows, P, parent, counts)
    at = np.argsort(P)
    row, column = at[rows], at[np.repeat(np.arange(len(A)), np.diff(colptr))]
    where = places(nodes, np.maximum(row, column), np.minimum(row, column))
    L, scratch = np.full(nodes.start[-1], np.nan), np.full(update_size(nodes), np.nan)
    return nodes, L, factor(nodes, values, where, L, scratch)


def entries(nodes):
    """Rows, columns and places of all entries of the supernodes' lower triangles."""
    found = []
    for s in range(len(nodes.first) - 1):
        rows = nodes.rows[nodes.rowptr[s] : nodes.rowptr[s + 1]]
        for c in range(nodes.first[s + 1] - nodes.first[s]):
            place = nodes.start[s] + c * len(rows) + np.arange(c, len(rows))
            found += zip(rows[c:], [rows[c]] * (len(rows) - c), place, strict=True)
    return np.array(found).T
