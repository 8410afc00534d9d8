"""Standard deviations that depend on the fitted means: a fixed point of fits with given means."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError
from numbamm.models.residual_side.fitted_means import first_means


@pytest.fixture(scope="module")
def d():
    rng = np.random.default_rng(8)
    d = pd.DataFrame({"g": np.repeat(np.arange(12), 8), "x": rng.uniform(0, 4, 96)})
    mean = 3 + 2 * d.x + rng.normal(size=12)[d.g]
    d["y"] = mean + 0.2 * mean * rng.normal(size=96)
    return d


def parameters(m):
    return pd.Series({"sigma": m.sigma} | m.residual_side.parameters(m.residual_side.phi, m.sigma))


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x"])
def test_a_fixed_point(d, formula):
    m = mm.lmm(formula, d, dispersion="power(fitted)")
    held = mm.lmm(formula, d.assign(v=m.fittedvalues), dispersion="power(v)")
    assert_allclose(held.objective, m.objective, atol=1e-5)
    assert_allclose(held.params, m.params, rtol=1e-4)
    found = parameters(m)
    assert_allclose(parameters(held), found, rtol=1e-3)
    assert 0.3 < found["power"] < 2


def test_a_second_fit_ends_there(d):
    m = mm.lmm("y ~ x + (1 | g)", d, dispersion="power(fitted)")
    before = parameters(m)
    assert_allclose(parameters(m.refit()), before, rtol=1e-4)


def test_the_means_that_a_fit_begins_with(d):
    frame = mm.LinearMixedModel("y ~ x + (1 | g)", d, weights=1 + d.x).frame
    beta = np.polyfit(d.x, d.y, 1, w=np.sqrt(1 + d.x))
    assert_allclose(first_means(frame), np.polyval(beta, d.x))


def test_a_mean_of_zero(d):
    zero = d.assign(x=np.where(d.index == 0, 0.0, d.x))
    with pytest.raises(DataError, match="the fitted mean is 0"):
        mm.lmm("y ~ 0 + x", zero, dispersion="power(fitted)")
