"""Exponential and logarithm by arithmetic: exact to two units in the last place."""

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose

from numbamm.glm import logistic


@numba.njit
def both(x, out):
    for i in range(len(x)):
        out[0, i] = logistic.exp_minus(x[i])
        out[1, i] = logistic.log1p_unit(x[i])


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="bits of numbers that Python does not have")
def test_two_units_in_the_last_place():
    rng = np.random.default_rng(0)
    x = np.concatenate([[0.0, 1.0, 1e-300, 1e-17], rng.uniform(0, 1, 5000)])
    far = np.concatenate([x, [699.9], rng.uniform(0, 700, 5000), 10 ** rng.uniform(-20, 2.8, 5000)])
    out = np.empty((2, len(far)))
    both(far, out)
    assert_allclose(out[0], np.exp(-far), rtol=5e-16)
    assert_allclose(out[1, : len(x)], np.log1p(x), rtol=5e-16)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="bits of numbers that Python does not have")
def test_beyond_all_numbers():
    out = np.empty((2, 2))
    both(np.array([1e6, np.nan]), out)
    assert 0 < out[0, 0] < 1e-300 and np.isnan(out[0, 1])


def test_entropies():
    p = np.array([0.5, 1e-200, 0.25, 1 - 1e-9])
    expected = p * np.log(p) + (1 - p) * np.log1p(-p)
    assert_allclose(logistic.entropies(p), expected)
    assert logistic.entropies(np.array([0.0, 1.0])).tolist() == [0.0, 0.0]
