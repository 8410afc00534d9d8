"""log Γ without cancellation, against sums of logarithms of fifty digits."""

import decimal
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from numbamm.glm.gammas import gamma_peak, gamma_peak_slope


@pytest.mark.parametrize("n", [1, 2, 9, 15, 16, 17, 40, 3000])
def test_whole_numbers(n):
    with decimal.localcontext() as context:
        context.prec = 50
        factorial = sum((Decimal(k).ln() for k in range(1, n)), Decimal(0))
        expected = n * Decimal(n).ln() - n - factorial
    assert_allclose(gamma_peak(np.array([float(n)])), [float(expected)], rtol=1e-12)


def test_numbers_beyond_all_sums():
    """Stirling: a log a - a - log Γ(a) → log(a / 2π) / 2."""
    a = np.array([1e8, 1e15, 1e300])
    assert_allclose(gamma_peak(a), np.log(a / (2 * np.pi)) / 2, rtol=1e-9)
    assert_allclose(gamma_peak_slope(a), 0.5 / a, rtol=1e-7)


@given(st.floats(-12, 12))
def test_the_slope_is_that_of_differences(log_a):
    a, h = np.exp(log_a), 1e-4
    below, above = gamma_peak(a * np.exp(np.array([-h, h])))
    assert gamma_peak_slope(np.array([a]))[0] * a == pytest.approx(
        (above - below) / (2 * h), rel=1e-6, abs=1e-9
    )


def test_both_formulas_agree_where_they_meet():
    a = 16.0 * (1 + np.array([-1e-12, 1e-12]))
    for f in (gamma_peak, gamma_peak_slope):
        assert_allclose(*f(a), rtol=1e-11)
