"""Vectors inside kernels against numpy, empty ones and parts of others, too."""

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from numbamm.blocks import vectors


@numba.njit
def use(x, y, target, factor):
    vectors.copy(x, target)
    vectors.scale(target, factor)
    return vectors.dot(x, y)


@pytest.mark.parametrize("n", [0, 1, 7, 1000])
def test_dot_copy_and_scale(n):
    rng = np.random.default_rng(n)
    x, y, target = rng.normal(size=(3, n + 4))
    before = target.copy()
    assert use(x[2 : n + 2], y[1 : n + 1], target[3 : n + 3], -2.5) == pytest.approx(
        x[2 : n + 2] @ y[1 : n + 1], rel=1e-12
    )
    assert_allclose(target[3 : n + 3], -2.5 * x[2 : n + 2])
    assert_array_equal(np.delete(target, range(3, n + 3)), np.delete(before, range(3, n + 3)))
