"""Eigenvalues and eigenvectors of small matrices against numpy's."""

import numpy as np
import pytest

from numbamm.blocks.eigen import eigh


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 20])
def test_eigh(n):
    rng = np.random.default_rng(n)
    a = rng.normal(size=(n, n))
    a += a.T
    vectors, values, work = a.ravel().copy(), np.empty(n), np.empty(n * n + 40 * n)
    assert eigh(vectors, n, values, work)
    V = vectors.reshape(n, n).T
    np.testing.assert_allclose(V * values @ V.T, a, atol=1e-12)
    np.testing.assert_allclose(V.T @ V, np.eye(n), atol=1e-12)


def test_eigh_of_a_diagonal_matrix_and_of_nan():
    values, work = np.empty(3), np.empty(129)
    assert eigh(np.diag([3.0, 1.0, 2.0]).ravel(), 3, values, work)
    assert sorted(values) == [1.0, 2.0, 3.0]
    assert not eigh(np.full(9, np.nan), 3, values, work)
