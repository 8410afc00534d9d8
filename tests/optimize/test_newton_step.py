"""What a Newton step would do: the same in any units, and where curvature is none or negative."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbamm.optimize.newton_step import newton_step


@given(st.integers(0, 10**6), st.floats(-6, 6))
def test_a_newton_step_is_the_same_in_any_units(seed, log_unit):
    rng = np.random.default_rng(seed)
    root, g = rng.normal(size=(3, 5)), rng.normal(size=3)
    H, units = root @ root.T + 0.1 * np.eye(3), 10.0 ** (log_unit * np.array([1, 0, -1]))
    one = newton_step(g, H)
    assert one[1] == pytest.approx(g @ np.linalg.solve(H, g) / 2)
    assert not one[3]
    np.testing.assert_allclose(newton_step(g / units, H / np.outer(units, units)), one, rtol=1e-6)


def test_directions_without_curvature_and_with_a_negative_one():
    g = np.array([0.5, 0.0])
    largest, gain, condition, falls = newton_step(g, np.diag([1.0, 0.0]))
    assert (largest, gain, condition, falls) == (0.5, 0.125, np.inf, False)
    assert newton_step(g, np.diag([1.0, -0.1]))[2:] == (np.inf, True)


def test_numbers_that_are_none():
    assert newton_step(np.empty(0), np.empty((0, 0))) == (0.0, 0.0, 1.0, False)
    for g, H in (([np.nan], [[1.0]]), ([1.0], [[np.inf]])):
        *numbers, falls = newton_step(np.array(g), np.array(H))
        assert np.isnan(numbers).all() and falls is False
