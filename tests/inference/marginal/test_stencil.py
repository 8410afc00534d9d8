"""Points and weights of differences within the range of a covariate."""

import numpy as np
from numpy.testing import assert_allclose

from numbamm.inference.marginal.stencil import stencil


def test_derivatives_within_the_range():
    column = np.array([0.0, 0.0005, 0.4, 1.0, 3.0])
    points, weights = stencil(column, column)
    assert points.min() >= 0.0 and points.max() <= 3.0 + 1e-12
    assert_allclose((weights * points**3).sum(axis=0), 3 * column**2, atol=1e-8)
    assert_allclose(weights.sum(axis=0), 0.0, atol=1e-9)


def test_a_place_outside_the_data_and_a_constant_covariate():
    points, weights = stencil(np.array([1.0, 2.0]), np.array([5.0]))
    assert_allclose((weights * np.exp(points)).sum(), np.exp(5.0), rtol=1e-9)
    points, weights = stencil(np.full(3, 7.0), np.full(3, 7.0))
    assert_allclose((weights * points**2).sum(axis=0), 14.0, rtol=1e-9)
