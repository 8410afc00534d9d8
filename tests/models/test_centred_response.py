"""The response as a linear model is fitted to it: without what X explains, in its own units."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm

RNG = np.random.default_rng(3)
G, X = np.arange(60) % 7, RNG.normal(size=60)
Y = 2 + X + RNG.normal(size=7)[G] + RNG.normal(size=60)


def response_of(y, formula="y ~ x + (1 | g)", **options):
    model = mm.LinearMixedModel(formula, {"y": y, "x": X, "g": G}, **options)
    return model, model.scaled_response


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_what_is_fitted_has_neither_origin_nor_unit(factor, shift):
    _, usual = response_of(Y)
    model, moved = response_of(factor * (Y + shift))
    assert_allclose(moved.values, usual.values, atol=1e-7)
    assert moved.scale == pytest.approx(factor * usual.scale)
    assert_allclose(model.feterm.basis.T @ moved.values, 0.0, atol=1e-7)


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ 0 + x + (1 | g)"])
def test_its_parts_make_up_the_response(formula):
    weights, offset = RNG.uniform(0.5, 2, 60), RNG.normal(size=60)
    model, parts = response_of(Y, formula, weights=weights, offset=offset)
    whole = (model.feterm.basis @ parts.gamma0 + parts.scale * parts.values) / np.sqrt(weights)
    assert_allclose(offset + parts.mean + whole, Y)
    assert np.mean(parts.values**2) == pytest.approx(1.0)


def test_nothing_left_is_refused():
    with pytest.raises(mm.DataError, match="explain the response exactly"):
        response_of(3 - 2 * X)
