"""BLAS and LAPACK by address against numpy, on parts of larger arrays, whose rest stays."""

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from numbamm.blocks import lapack
from numbamm.blocks.lapack import LEFT, LOWER, NO, RIGHT, TRANSPOSED, VECTORS

RNG = np.random.default_rng(3)
#: Where a matrix begins in its buffer, and how much longer than its rows the leading dimension is.
FIRST, MORE = 5, 3


class Held:
    """A matrix by columns in a larger buffer."""

    def __init__(self, matrix):
        self.shape, self.ld = matrix.shape, len(matrix) + MORE
        self.buffer = RNG.normal(size=FIRST + self.ld * self.shape[1] + 4)
        self.matrix[:] = matrix
        self.before = self.buffer.copy()

    @property
    def matrix(self):
        columns = self.buffer[FIRST : FIRST + self.ld * self.shape[1]].reshape(-1, self.ld)
        return columns.T[: self.shape[0]]

    @property
    def array(self):
        return self.buffer[FIRST:]

    def rest_is_unchanged(self):
        here = self.matrix.copy()
        self.matrix[:] = 0.0
        rest = self.buffer.copy()
        self.matrix[:] = here
        self.buffer, kept = self.before.copy(), self.buffer
        self.matrix[:] = 0.0
        same = np.array_equal(self.buffer, rest)
        self.buffer = kept
        return same


def positive_definite(n):
    root = RNG.normal(size=(n, n + 2))
    return root @ root.T


def lower(n):
    return np.tril(RNG.normal(size=(n, n))) + 3 * np.eye(n)


def symmetric(matrix):
    return np.tril(matrix) + np.tril(matrix, -1).T


@numba.njit
def call_dpotrf(n, a, lda):
    return lapack.dpotrf(LOWER, n, a, lda)


@pytest.mark.parametrize("n", [1, 4, 70])
def test_dpotrf(n):
    A = positive_definite(n)
    a = Held(A)
    assert call_dpotrf(n, a.array, a.ld) == 0
    assert_allclose(np.tril(a.matrix), np.linalg.cholesky(A), rtol=1e-9, atol=1e-12)
    assert_array_equal(np.triu(a.matrix, 1), np.triu(A, 1))
    assert a.rest_is_unchanged()
    assert call_dpotrf(n, Held(-A).array, a.ld) != 0


@numba.njit
def call_dtrtri(n, a, lda):
    return lapack.dtrtri(LOWER, NO, n, a, lda)


@numba.njit
def call_dlauum(n, a, lda):
    return lapack.dlauum(LOWER, n, a, lda)


@pytest.mark.parametrize("n", [1, 5])
def test_dtrtri_and_dlauum(n):
    L = lower(n)
    a, b = Held(L), Held(L)
    assert call_dtrtri(n, a.array, a.ld) == call_dlauum(n, b.array, b.ld) == 0
    assert_allclose(np.tril(a.matrix), np.linalg.inv(L), atol=1e-12)
    assert_allclose(symmetric(b.matrix), L.T @ L)
    assert a.rest_is_unchanged() and b.rest_is_unchanged()


@numba.njit
def call_dsyev(n, a, lda, w, work):
    return lapack.dsyev(VECTORS, LOWER, n, a, lda, w, work, len(work))


def test_dsyev():
    A = symmetric(RNG.normal(size=(6, 6)))
    a, w = Held(A), np.empty(6)
    assert call_dsyev(6, a.array, a.ld, w, np.empty(400)) == 0
    assert_allclose(w, np.linalg.eigvalsh(A))
    assert_allclose((a.matrix * w) @ a.matrix.T, A, atol=1e-12)
    assert a.rest_is_unchanged()


@numba.njit
def call_dsyrk(n, k, alpha, a, lda, beta, c, ldc):
    return lapack.dsyrk(LOWER, NO, n, k, alpha, a, lda, beta, c, ldc)


@pytest.mark.parametrize("beta", [0.0, -0.5])
def test_dsyrk(beta):
    A, C = RNG.normal(size=(4, 7)), RNG.normal(size=(4, 4))
    if beta == 0:
        C[:] = np.nan  # must not be read
    a, c = Held(A), Held(C)
    call_dsyrk(4, 7, 2.0, a.array, a.ld, beta, c.array, c.ld)
    expected = 2 * A @ A.T + (beta * C if beta else 0)
    assert_allclose(np.tril(c.matrix), np.tril(expected))
    assert_array_equal(np.triu(c.matrix, 1), np.triu(C, 1))
    assert c.rest_is_unchanged()


@numba.njit
def call_dsymm(m, n, alpha, a, lda, b, ldb, beta, c, ldc):
    return lapack.dsymm(LEFT, LOWER, m, n, alpha, a, lda, b, ldb, beta, c, ldc)


def test_dsymm():
    A, B, C = RNG.normal(size=(4, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    a, b, c = Held(A), Held(B), Held(C)
    call_dsymm(4, 3, 1.5, a.array, a.ld, b.array, b.ld, 0.25, c.array, c.ld)
    assert_allclose(c.matrix, 1.5 * symmetric(A) @ B + 0.25 * C)
    assert c.rest_is_unchanged()


@numba.njit
def call_dgemm(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    return lapack.dgemm(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)


@pytest.mark.parametrize("left", [NO, TRANSPOSED])
@pytest.mark.parametrize("right", [NO, TRANSPOSED])
def test_dgemm(left, right):
    A, B, C = RNG.normal(size=(4, 6)), RNG.normal(size=(6, 3)), RNG.normal(size=(4, 3))
    a = Held(A.T if left == TRANSPOSED else A)
    b = Held(B.T if right == TRANSPOSED else B)
    c = Held(C)
    call_dgemm(left, right, 4, 3, 6, -1.0, a.array, a.ld, b.array, b.ld, 2.0, c.array, c.ld)
    assert_allclose(c.matrix, -A @ B + 2 * C)
    assert c.rest_is_unchanged()


@numba.njit
def call_dtrmm(side, trans, m, n, alpha, a, lda, b, ldb):
    return lapack.dtrmm(side, LOWER, trans, NO, m, n, alpha, a, lda, b, ldb)


@numba.njit
def call_dtrsm(side, trans, m, n, alpha, a, lda, b, ldb):
    return lapack.dtrsm(side, LOWER, trans, NO, m, n, alpha, a, lda, b, ldb)


@pytest.mark.parametrize("side", [LEFT, RIGHT])
@pytest.mark.parametrize("trans", [NO, TRANSPOSED])
def test_dtrmm_and_dtrsm(side, trans):
    B = RNG.normal(size=(4, 3))
    L = lower(4 if side == LEFT else 3)
    op = L.T if trans == TRANSPOSED else L
    a, product, solution = Held(L), Held(B), Held(B)
    call_dtrmm(side, trans, 4, 3, 2.0, a.array, a.ld, product.array, product.ld)
    call_dtrsm(side, trans, 4, 3, 2.0, a.array, a.ld, solution.array, solution.ld)
    assert_allclose(product.matrix, 2 * (op @ B if side == LEFT else B @ op))
    inverse = np.linalg.inv(op)
    assert_allclose(solution.matrix, 2 * (inverse @ B if side == LEFT else B @ inverse))
    assert product.rest_is_unchanged() and solution.rest_is_unchanged()
