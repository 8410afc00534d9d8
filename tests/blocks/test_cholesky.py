"""The factor and the objective against dense matrices, and the tail's factor against numpy's."""

import numba
import numpy as np
import pytest
from blocks.dense import dense_model, random_theta, rows
from blocks.examples import STRUCTURES, built, each_structure, evaluate, evaluate_gradient

from numbamm.blocks import cholesky
from numbamm.blocks.cholesky import BLOCK, SMALL
from numbamm.blocks.tail.dense_tail import DenseTail


@numba.njit
def factor(a, n):
    return cholesky.lower_factor(a, n)


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


@each_structure
@pytest.mark.parametrize("nx", [0, 1, 3])
@pytest.mark.parametrize("reml", [False, True])
def test_objective(name, nx, reml):
    terms, xy, blocks = built(name, nx)
    theta = random_theta(terms)
    expected = dense_model(terms, xy, theta, reml).objective
    assert evaluate(blocks, theta, xy, reml) == pytest.approx(expected, rel=1e-11)


@each_structure
def test_objective_at_singular_theta(name):
    terms, xy, blocks = built(name)
    for zeroed in range(len(random_theta(terms)) + 1):
        theta = random_theta(terms)
        theta[zeroed:] = 0.0
        expected = dense_model(terms, xy, theta).objective
        assert evaluate(blocks, theta, xy) == pytest.approx(expected, rel=1e-11)


@each_structure
def test_objective_with_known_sigma(name):
    terms, xy, blocks = built(name)
    theta = random_theta(terms)
    expected = dense_model(terms, xy, theta, sigma=0.7).objective
    assert evaluate(blocks, theta, xy, sigma=0.7) == pytest.approx(expected, rel=1e-11)


def test_failed_factorisation_is_nan():
    _, xy, blocks = built("vector")
    assert np.isnan(evaluate(blocks, np.array([np.nan, 0.0, 1.0]), xy))
    assert np.isnan(evaluate_gradient(blocks, np.array([np.nan, 0.0, 1.0]), xy)[0])
    with pytest.raises(FloatingPointError, match="factorisation fails"):
        blocks.factorize(np.array([np.nan, 0.0, 1.0]))


def test_collinear_columns_of_x_fail_quietly():
    terms = STRUCTURES["crossed densely"]
    xy = rows(nx=2)
    blocks = DenseTail(terms, np.column_stack([xy[:, 0], xy[:, 0], xy[:, -1]]))
    assert np.isnan(evaluate(blocks, random_theta(terms), xy))
