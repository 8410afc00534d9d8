"""`log_ratio`: the logarithm of a ratio close to one, far from it, and beyond all numbers."""

import decimal
from decimal import Decimal

import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbamm.glm.exponential import log_ratio


@numba.njit
def of_two(a, b):
    return log_ratio(a, b, (a - b) / b)


@given(st.floats(-300, 300), st.floats(-300, 300), st.booleans())
def test_all_digits(log_a, log_b, near):
    b = 10.0**log_b
    a = b * (1 + log_a / 1e12) if near else 10.0**log_a
    with decimal.localcontext() as context:
        context.prec = 60
        expected = float((Decimal(a) / Decimal(b)).ln())
    assert of_two(a, b) == pytest.approx(expected, rel=2e-13, abs=1e-300)
