"""Conjugate gradients against numpy's solutions; Lanczos's matrices against eigenvalues."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numbamm.blocks.tail import conjugate_gradients
from numbamm.blocks.tail.conjugate_gradients import NoConvergence, lanczos_matrix


def matrix(n, condition, seed):
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    return (Q * np.geomspace(1, condition, n)) @ Q.T, rng


def solved(S, right, tolerance=1e-12, most=500):
    def times(X, out):
        out[:] = S @ X

    return conjugate_gradients.solve(times, np.ascontiguousarray(right), tolerance, most)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 5), st.floats(1, 1e3), st.integers(0, 1000))
def test_solutions(n, columns, condition, seed):
    S, rng = matrix(n, condition, seed)
    right = rng.normal(size=(n, columns)) * 10.0 ** rng.integers(-8, 8, columns)
    found = solved(S, right)
    size = abs(right).max(axis=0)
    np.testing.assert_allclose(found.x / size, np.linalg.solve(S, right / size), atol=1e-8)


def test_columns_of_zeros_and_of_eigenvectors():
    S, _ = matrix(12, 50.0, 1)
    vector = np.linalg.eigh(S)[1][:, [3]]
    right = np.column_stack([np.zeros(12), vector, np.ones(12)])
    np.testing.assert_allclose(solved(S, right).x, np.linalg.solve(S, right), atol=1e-10)


def test_no_columns():
    assert solved(np.eye(4), np.zeros((4, 0))).x.shape == (4, 0)


def test_tolerances_of_columns():
    S, rng = matrix(200, 100.0, 2)
    right = rng.normal(size=(200, 2))
    loose = solved(S, right, np.array([1e-1, 1e-1])).iterations
    assert loose < solved(S, right, np.array([1e-1, 1e-10])).iterations


def test_too_many_iterations():
    S, rng = matrix(100, 1e6, 3)
    with pytest.raises(NoConvergence):
        solved(S, rng.normal(size=(100, 1)), most=5)


def test_a_right_hand_side_that_is_no_number():
    with pytest.raises(NoConvergence):
        solved(np.eye(3), np.full((3, 1), np.nan))


def test_lanczos_matrices_have_the_eigenvalues():
    S, rng = matrix(8, 20.0, 4)
    found = solved(S, rng.normal(size=(8, 1)), 1e-12)
    diagonal, beside = lanczos_matrix(found.alpha[:, 0], found.beta[:, 0])
    T = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    expected = np.linalg.eigvalsh(S)
    nearest = abs(np.linalg.eigvalsh(T)[:, None] - expected).min(axis=0)
    np.testing.assert_allclose(nearest, 0.0, atol=1e-6)
