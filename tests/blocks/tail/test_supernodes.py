"""The factor by supernodes against the dense one, in any order of elimination."""

import numpy as np
import pytest
from blocks.tail.sparse_matrices import SHAPES, entries, factored, lower, random
from hypothesis import given, settings
from hypothesis import strategies as st

from numbamm.blocks.tail.supernodes import (
    parents_and_counts,
    places,
    solve_lower,
    solve_upper,
)


def check(A, P):
    nodes, L, logdet = factored(A, P)
    permuted = A[np.ix_(P, P)]
    expected = np.linalg.cholesky(permuted)
    assert logdet == pytest.approx(np.linalg.slogdet(A)[1], rel=1e-10, abs=1e-10)
    row, column, place = entries(nodes)
    got = np.zeros_like(A)
    got[row, column] = L[place]
    np.testing.assert_allclose(got, expected, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_array_equal(places(nodes, row, column), place)
    x = np.random.default_rng(3).normal(size=(4, len(A)))
    y, z = x.copy(), x.copy()
    solve_lower(nodes, L, y.reshape(-1), 4, np.empty(x.size))
    solve_upper(nodes, L, z.reshape(-1), 4, np.empty(x.size))
    np.testing.assert_allclose(expected @ y.T, x.T, atol=1e-8)
    np.testing.assert_allclose(expected.T @ z.T, x.T, atol=1e-8)
    return nodes


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    A = SHAPES[name]
    check(A, np.arange(len(A)))
    check(A, np.random.default_rng(1).permutation(len(A)))


def test_columns_with_the_same_rows_are_together():
    dense, _, _ = factored(SHAPES["dense"], np.arange(30))
    diagonal, _, _ = factored(SHAPES["diagonal"], np.arange(89))
    assert list(dense.first) == [0, 30]
    assert len(diagonal.first) == 90


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.floats(0.003, 0.3), st.integers(0, 10**6))
def test_any_matrix_in_any_order(n, density, seed):
    check(random(n, density, seed), np.random.default_rng(seed).permutation(n))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.floats(0.005, 0.3), st.integers(0, 10**6))
def test_counts_are_those_of_the_factor(n, density, seed):
    A, P = random(n, density, seed), np.random.default_rng(seed).permutation(n)
    _, counts = parents_and_counts(*lower(A)[:2], P)
    filled = A[np.ix_(P, P)] != 0
    for j in range(n):
        below = np.flatnonzero(filled[j + 1 :, j]) + j + 1
        filled[np.ix_(below, below)] = True
    np.testing.assert_array_equal(counts, np.tril(filled).sum(axis=0))


def test_what_is_not_positive_definite_has_no_factor():
    A = random(25, 0.1, 5)
    A[7, 7] = -1.0
    assert np.isnan(factored(A, np.arange(25))[2])


def test_large_pivots():  # those of a model are at least 1
    A = random(30, 0.2, 6)
    size = 10.0 ** np.linspace(0, 60, 30)
    assert factored(A * np.outer(size, size), np.arange(30))[2] == pytest.approx(
        np.linalg.slogdet(A)[1] + 2 * np.log(size).sum(), rel=1e-10, abs=1e-8
    )
