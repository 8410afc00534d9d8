"""The dense tail's Cholesky factor, in blocks, against numpy's."""

import numba
import numpy as np
import pytest

from numbamm.blocks import cholesky
from numbamm.blocks.cholesky import BLOCK, SMALL


@numba.njit
def factor(a, n):
    return cholesky._cholesky(a, n)


@pytest.mark.parametrize("n", [1, SMALL, SMALL + 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7, 200])
def test_factor(n):
    rng = np.random.default_rng(n)
    G = rng.normal(size=(n, n))
    A = G @ G.T + n * np.eye(n)
    a = np.where(np.tri(n), A, np.nan).T.ravel().copy()  # column-major; the rest is not read
    assert not factor(a, n)
    np.testing.assert_allclose(np.tril(a.reshape(n, n).T), np.linalg.cholesky(A), atol=1e-13 * n)


@pytest.mark.parametrize("n", [SMALL, 2 * BLOCK + 7])
@pytest.mark.parametrize("at", [0, -1])
def test_what_is_not_positive_definite_is_refused(n, at):
    A = np.eye(n)
    A[at, at] = -1.0
    assert factor(A.ravel(), n)
    A[at, at] = np.nan  # OpenBLAS need not notice; then the log-determinant is NaN
    assert factor(A.ravel(), n) or np.isnan(np.diag(A)).any()
