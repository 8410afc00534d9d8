"""Fits of several parts in stages: ψ of users and ψ of the search are told apart."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(7)
    g, x = rng.integers(0, 9, 110), rng.normal(size=110)
    eta = 0.8 + 0.4 * x + 0.5 * rng.normal(size=9)[g]
    y = rng.poisson(rng.gamma(2, np.exp(eta) / 2)) * (rng.uniform(size=110) > 0.3)
    t = np.exp(eta + 0.3 * rng.normal(size=110))
    return {"y": y.astype(float), "t": t, "x": 40 + 3 * x, "g": g.astype(str)}


@pytest.mark.parametrize(
    ("formula", "family", "parts"),
    [
        ("y ~ x + (1 | g)", "nbinom2", {"zi": "~ x"}),
        ("t ~ x + (1 | g)", "lognormal", {"dispersion": "~ x"}),
    ],
)
def test_stages_begin_where_the_last_one_ended(data, formula, family, parts):
    full = mm.glmm(formula, data, family, **parts)
    fast = mm.glmm(formula, data, family, fast=True, **parts)
    finer = mm.glmm(formula, data, family, nagq=9, **parts)
    for other in (fast, finer):
        value, se = full.parts["estimate"].to_numpy(), full.parts["se"].to_numpy()
        known = np.nan_to_num(se, nan=np.inf) < 5
        assert_allclose(other.parts["estimate"][known], value[known], atol=0.2 * se[known].min())
    assert abs(fast.objective - full.objective) < 0.1
    begun = finer.fast_optsum
    assert_allclose(finer.optsum.initial[-len(begun.final) :], begun.final, atol=1e-8)
    assert abs(finer.optsum.finitial - finer.objective) < 0.5
    assert_allclose(begun.fmin, fast.objective, atol=1e-3)
