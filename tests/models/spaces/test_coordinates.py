"""Coordinates for a search: there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
numbers = st.floats(-3, 3, allow_nan=False)


@given(st.tuples(numbers, numbers, numbers))
def test_coordinates_give_back_what_they_stand_for(theta):
    model = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    c, theta = model.search_coordinates, np.array(theta)

    def square(theta):
        lam = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
        return lam @ lam.T

    np.testing.assert_allclose(square(c.theta(c.of(theta))), square(theta), atol=1e-8)


def test_coordinates_of_several_terms():
    formula = "y ~ 1 + (1 + x | g) + (0 + x | h) + (1 + x || k)"
    rng = np.random.default_rng(2)
    data = {"y": rng.normal(size=90), "x": rng.normal(7, 1, 90)}
    data |= {name: rng.integers(0, 6, 90) for name in "ghk"}
    model = mm.LinearMixedModel(formula, data)
    c, theta = model.search_coordinates, rng.normal(size=len(model.theta))
    again = c.theta(c.of(theta))
    assert model.objective_at(again) == pytest.approx(model.objective_at(theta), abs=1e-9)
