"""Scaled terms: their θ, and gradients in the user's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm


def model(group_size, unit):
    rng = np.random.default_rng(1)
    g, n = np.repeat(np.arange(8), group_size), 8 * group_size
    data = {"y": rng.normal(size=n), "x": 2000 + unit * rng.normal(size=n), "g": g, "h": g[::-1]}
    return mm.LinearMixedModel("y ~ 1 + (1 + x | g) + (1 | h)", data)


@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e5])
def test_there_and_back(unit):
    scaled = model(4, unit).scaled
    assert scaled.is_changed
    theta = np.array([0.7, -0.4, 0.2, 1.3])
    assert_allclose(scaled.to_scaled(scaled.to_user(theta)), theta, rtol=1e-6)


@pytest.mark.parametrize("unit", [1.0, 1e5])
def test_the_chain_rule(unit):
    """The gradient of a function of the scaled θ in the user's, against differences."""
    scaled = model(5, unit).scaled
    theta = scaled.to_user(np.array([0.7, -0.4, 0.2, 1.3]))

    def f(x):
        return np.sum(np.arange(1, 5) * scaled.to_scaled(x) ** 2)

    slopes = 2 * np.arange(1, 5) * scaled.to_scaled(theta)
    found = scaled.user_gradient(theta, slopes)
    for j, at in enumerate(np.diag(2e-6 * np.maximum(np.abs(theta), 0.1))):
        slope = (f(theta + at) - f(theta - at)) / (2 * at.max())
        assert found[j] == pytest.approx(slope, rel=1e-3, abs=1e-3 * np.abs(found).max())


def test_columns_of_ordinary_size_are_left_alone():
    m = mm.LinearMixedModel("y ~ 1 + (1 | g)", {"y": [1.0, 2, 4, 3], "g": list("aabb")})
    assert not m.scaled.is_changed
    assert m.scaled.terms[0] is m.reterms[0]
    slopes = np.array([3.0])
    assert m.scaled.user_gradient(m.theta, slopes) is slopes
