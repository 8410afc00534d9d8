"""The selected inverse against the whole one, on sparse factors of all shapes."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from numbamm.blocks.tail.selected_inverse import (
    invert_on_pattern,
    places,
    scratch_size,
    supernodes_of,
)


def factor(A):
    """The Cholesky factor with all entries that fill in, also where they are zero."""
    n = len(A)
    filled = A != 0
    for j in range(n):
        below = np.flatnonzero(filled[j + 1 :, j]) + j + 1
        filled[np.ix_(below, below)] = True
    row, column = np.nonzero(np.tril(filled).T)[::-1]
    L = np.linalg.cholesky(A)
    counts = np.bincount(column, minlength=n)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return sp.csc_matrix((L[row, column], row.astype(np.int32), indptr), shape=(n, n))


def selected(L):
    nodes = supernodes_of(L)
    Z, scratch = np.zeros(nodes.start[-1]), np.full(scratch_size(nodes), np.nan)
    invert_on_pattern(nodes, L.data, Z, scratch)
    column = np.repeat(np.arange(L.shape[0]), np.diff(L.indptr))
    return nodes, Z[places(nodes, L.indices, column)]


def check(A):
    L = factor(A)
    nodes, found = selected(L)
    column = np.repeat(np.arange(len(A)), np.diff(L.indptr))
    expected = np.linalg.inv(A)[L.indices, column]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)
    return nodes


def random(n, density, seed):
    rng = np.random.default_rng(seed)
    B = np.where(rng.random((n, n)) < density, rng.normal(size=(n, n)), 0.0)
    return B @ B.T + np.eye(n)


ARROW = 5 * np.eye(12)
ARROW[-1, :-1] = ARROW[:-1, -1] = 1.0
eye = np.eye(40)
SHAPES = {
    "one": np.array([[2.0]]),
    "diagonal": np.diag(np.arange(1.0, 9)),
    "dense": random(30, 1.0, 1),
    "band": np.diag(np.full(20, 3.0)) + np.diag(np.ones(19), 1) + np.diag(np.ones(19), -1),
    "arrow": ARROW,
    "islands": np.kron(np.eye(3), random(5, 0.6, 2)),
    "large supernodes": np.block([[random(40, 1.0, 3), eye], [eye, random(40, 1.0, 4)]]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    check(SHAPES[name])


def test_columns_of_equal_pattern_are_one_supernode():
    assert list(check(SHAPES["dense"]).first) == [0, 30]
    assert len(check(SHAPES["diagonal"]).first) == 9


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.floats(0.005, 0.3), st.integers(0, 10**6))
def test_any_factor(n, density, seed):
    check(random(n, density, seed))


def test_nothing():
    nodes = supernodes_of(sp.csc_matrix((0, 0)))
    assert nodes.start.tolist() == [0] and scratch_size(nodes) == 0
