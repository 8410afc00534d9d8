"""Special functions of numbers and jets: against scipy, and derivatives against differences."""

import numpy as np
import pytest
from numba import njit
from scipy.special import gammaln, log_ndtr

from numbamm.glm.jets import Jet, Mixed
from numbamm.glm.parts.special import log_normal, log_not, log_rise, remainder, softplus


@njit
def values(x):
    return remainder(x), log_normal(x - 3.0), softplus(x - 2.0), log_rise(x, 3.5), log_not(-x)


@njit
def jets(x):
    t = Jet(x, 1.0, 0.0, 0.0)
    return remainder(t), log_normal(t - 3.0), softplus(t - 2.0), log_rise(t, 3.5), log_not(-t)


@njit
def in_two(x, k):
    """exp(x) log Γ(kx) of x, and of k."""
    t, s = Mixed(x, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0), Mixed(k, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    return log_rise(t * s, 2.0) / t + log_normal(t - s) * 2.0


@pytest.mark.parametrize("x", [0.02, 0.7, 4.0, 9.99, 10.01, 300.0])
def test_values_are_those_of_scipy(x):
    stirling = (x - 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi)
    expected = [gammaln(x) - stirling, log_ndtr(x - 3), np.logaddexp(0, x - 2)]
    expected += [gammaln(x + 3.5) - gammaln(x) - 3.5 * np.log(x), np.log1p(-np.exp(-x))]
    assert values(x) == pytest.approx(expected, rel=1e-10, abs=1e-11)


@pytest.mark.parametrize("x", [0.3, 2.0, 9.0, 12.0])
def test_derivatives_are_differences(x):
    h = 1e-4
    below, at, above = (np.array(jets(v)) for v in (x - h, x, x + h))
    assert at[:, 1:] == pytest.approx((above - below)[:, :3] / (2 * h), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("x", [-40.0, -12.0, -6.01, -5.99, -1.0, 7.0])
def test_the_normal_distribution_function_in_its_tails(x):
    found = njit(lambda x: log_normal(x))(x)
    assert found == pytest.approx(log_ndtr(x), rel=1e-12)


def test_a_parameter_of_any_size_loses_no_digits():
    """log Γ(k + y) - log Γ(k) - y log k is about y(y - 1)/2k."""
    rise = njit(lambda k, y: log_rise(k, y))
    for k in (1e6, 1e12, 1e18):
        assert rise(k, 50.0) == pytest.approx(50 * 49 / (2 * k), abs=2e-14, rel=1e-3)


def test_mixed_derivatives_are_differences():
    x, k, h = 1.3, 0.8, 1e-4
    found = in_two(x, k)
    above, below = in_two(x, k + h), in_two(x, k - h)
    for mixed, own in ((found.s, "v"), (found.sa, "a"), (found.sb, "b")):
        expected = (getattr(above, own) - getattr(below, own)) / (2 * h)
        assert mixed == pytest.approx(expected, rel=1e-6)
