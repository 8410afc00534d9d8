"""Trends and averages of scattered points."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from numbamm.inference.diagnostics.smoothing import binned, trend


@given(st.integers(5, 300), st.integers(0, 10**6), st.floats(-3, 3), st.floats(-2, 2))
def test_a_trend_follows_a_line_and_moves_with_the_data(n, seed, start, slope):
    x = np.random.default_rng(seed).normal(size=n)
    at, heights = trend(x, start + slope * x)
    assert_allclose(heights, start + slope * at, atol=1e-8)
    assert (at[0], at[-1]) == (x.min(), x.max())
    noise = np.random.default_rng(seed + 1).normal(size=n)
    _, one = trend(x, noise)
    _, other = trend(10 + 5 * x, 2 + 3 * noise)
    assert_allclose(other, 2 + 3 * one, atol=1e-6)


def test_a_trend_needs_four_values():
    assert trend(np.array([1.0, 2, 3, 1]), np.zeros(4)) is None


@given(st.integers(4, 400), st.integers(0, 10**6))
def test_bins_hold_every_point_once(n, seed):
    rng = np.random.default_rng(seed)
    x, y = np.round(rng.normal(size=n), 1), rng.normal(size=n)
    bins = binned(x, y)
    assert (np.diff(bins.x) > 0).all() and len(bins.x) <= n
    assert bins.x.min() >= x.min() and bins.x.max() <= x.max()
    assert y.min() <= bins.y.min() and bins.y.max() <= y.max()
    reverse = binned(x[::-1], y[::-1])
    assert_allclose(reverse.y, bins.y, atol=1e-12)
