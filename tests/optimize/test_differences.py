"""Derivatives by central differences, of functions whose derivatives are known."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from numbamm.optimize.differences import hessian, jacobian, slopes

A = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, -0.5], [0.0, -0.5, 1.0]])
STEP = np.array([1e-3, 2e-3, 5e-4])


def quadratic(x):
    return x @ A @ x / 2 - x[0]


def test_they_are_exact_for_a_quadratic():
    x = np.array([0.3, -1.0, 2.0])
    gradient = A @ x - [1.0, 0.0, 0.0]
    assert_allclose(slopes(quadratic, x, STEP), gradient, rtol=1e-8)
    assert_allclose(hessian(quadratic, x, STEP), A, atol=1e-7)
    assert_allclose(jacobian(lambda x: A @ x, x, STEP), A, atol=1e-9)


def test_errors_fall_with_the_square_of_the_step():
    def f(x):
        return float(np.exp(x[0] - 2 * x[1]))

    x = np.array([0.2, 0.1])
    v = np.array([1.0, -2.0])
    for derivative, exact in ((slopes, f(x) * v), (hessian, f(x) * np.outer(v, v))):
        wide, narrow = (np.abs(derivative(f, x, np.full(2, h)) - exact).max() for h in (0.1, 0.05))
        assert 3.8 < wide / narrow < 4.3


def test_number_of_evaluations():
    asked = []

    def counted(x):
        asked.append(x)
        return quadratic(x)

    hessian(counted, np.zeros(3), STEP)
    assert len(asked) == 1 + 2 * 3**2
    asked.clear()
    slopes(counted, np.zeros(3), STEP)
    assert len(asked) == 6


def test_an_unsymmetric_jacobian_is_made_symmetric():
    found = jacobian(lambda x: np.array([[1.0, 2.0], [0.0, 1.0]]) @ x, np.zeros(2), np.full(2, 0.1))
    assert_array_equal(found, found.T)
    assert_allclose(found, [[1.0, 1.0], [1.0, 1.0]])
