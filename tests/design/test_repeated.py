"""`Repeated`: I ⊗ λ, and what follows from it, by the matrices themselves."""

import numpy as np
import pytest

from numbamm.design.repeated import Repeated
from numbamm.structures.homdiag import HomDiag
from numbamm.structures.us import Us


@pytest.mark.parametrize("inner", [Us(1), Us(2), HomDiag(2)])
def test_repeated_blocks(inner):
    s, theta = Repeated(inner, 3), inner.some_theta()
    lam = inner.matrix(theta)
    np.testing.assert_allclose(s.matrix(theta), np.kron(np.eye(3), lam))
    np.testing.assert_allclose(s.nearest(s.matrix(theta)), theta)
    step = 1e-6 * np.eye(s.size)
    by_differences = [(s.values(theta + h) - s.values(theta - h)) / 2e-6 for h in step]
    np.testing.assert_allclose(s.jacobian(theta), np.transpose(by_differences), atol=1e-9)
    by_entry = np.arange(len(s.entries), dtype=float)
    np.testing.assert_allclose(s.slopes(theta, by_entry), s.jacobian(theta).T @ by_entry)

    def gamma(x):
        return s.matrix(x) @ s.matrix(x).T

    moves = [(gamma(theta + h) - gamma(theta - h)) / 2e-6 for h in step]
    np.testing.assert_allclose(s.covariance_slopes(theta), moves, atol=1e-9)
    N = np.random.default_rng(1).normal(size=(s.p, s.p))
    N = N + N.T
    h = 1e-3

    def value(x):
        return np.sum(N * gamma(x))

    for a in range(s.size):
        for b in range(s.size):
            e, f = h * np.eye(s.size)[[a, b]]
            second = value(theta + e + f) - value(theta + e - f)
            second += value(theta - e - f) - value(theta - e + f)
            assert s.bend(theta, N)[a, b] == pytest.approx(second / 4 / h**2, abs=1e-5)
    size = np.ones(s.p)
    for L, A, _ in s.lifts(s.matrix(theta), size):
        np.testing.assert_allclose(L @ L.T, gamma(theta), atol=1e-12)
        assert A.shape == L.shape


def test_a_false_optimum_is_left():
    s = Repeated(Us(2), 3)
    theta = np.array([1.0, 0.5, 0.0])  # of rank one
    N = np.kron(np.eye(3), np.diag([1.0, -1.0]))
    share, escape = s.fall(theta, N, np.ones(6))
    assert share < 0
    lam = Us(2).matrix(escape(0.1))
    assert np.linalg.matrix_rank(lam) == 2
    assert s.fall(np.array([1.0, 0.5, 0.3]), N, np.ones(6))[0] == np.inf
    assert s.select([0, 2, 4]) == Repeated(Us(1), 3)
