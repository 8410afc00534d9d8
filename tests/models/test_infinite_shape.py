"""Counts that vary no more than a Poisson distribution's: the negative binomial is that."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm

FORMULAS = ["y ~ x + (1 | g)", "y ~ x + (1 + x | g)", "y ~ x + (1 | g) + (1 | h)"]


def counts(seed):
    rng = np.random.default_rng(seed)
    g, h, x = np.repeat(np.arange(8), 10), rng.integers(0, 4, 80), rng.normal(size=80)
    eta = rng.normal(0, 0.6, 8)[g] + 0.3 * x + 0.3 * rng.normal(size=4)[h]
    return {"y": rng.binomial(9, 1 / (1 + np.exp(-eta))) * 1.0, "x": x, "g": g, "h": h}


def both(formula, data, **options):
    poisson = mm.glmm(formula, data, "poisson", **options)
    with pytest.warns(mm.NumbammWarning, match="shape is infinite.*vary no more than a Poisson"):
        return poisson, mm.glmm(formula, data, "negativebinomial", **options)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("options", [{}, {"fast": True}, {"link": "sqrt"}])
def test_the_limit_is_the_poisson_model(formula, options):
    poisson, model = both(formula, counts(1), **options)
    assert np.isinf(model.shape)
    assert model.objective == pytest.approx(poisson.objective, abs=1e-7)
    assert_allclose(model.params, poisson.params, atol=1e-5)
    assert_allclose(model.bse, poisson.bse, rtol=1e-4)
    assert_allclose(model.theta, poisson.theta, atol=1e-4)
    assert model.n_parameters == poisson.n_parameters + 1


@pytest.fixture(scope="module")
def fits():
    return both("y ~ x + (1 | g)", counts(2))


def test_nagq():
    poisson, model = both("y ~ x + (1 | g)", counts(2), nagq=7)
    assert model.objective == pytest.approx(poisson.objective, abs=1e-6)
    assert_allclose(model.bse, poisson.bse, rtol=1e-3)


def test_what_is_said(fits):
    text = str(fits[1])
    assert "Family: negative binomial (shape ∞), link: log" in text
    assert "The shape is infinite: the estimates are those of a Poisson distribution." in text


def test_what_follows_from_the_fit(fits, tmp_path):
    poisson, model = fits
    for kind in ("deviance", "pearson"):
        assert_allclose(model.residuals(kind), poisson.residuals(kind), atol=1e-4)
    assert_allclose(model.simulate(1), poisson.simulate(1))
    assert model.check_convergence().converged
    profile = model.profile()
    limits = profile.conf_int().loc["shape"]
    assert 1 < limits[0] < np.inf and np.isinf(limits[1])
    assert_allclose(profile.conf_int().loc["x"], poisson.profile().conf_int().loc["x"], atol=0.02)
    model.save(tmp_path / "fit.json")
    again = mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", counts(2), "negativebinomial")
    again.restore(tmp_path / "fit.json")
    assert np.isinf(again.shape)
    assert_allclose(again.bse, model.bse, rtol=1e-6)


def test_replicates_at_the_limit_count(fits):
    draws = fits[1].bootstrap(12, seed=2)
    assert draws.n == 12 and not draws.failed
    assert np.isinf(draws.frame["shape"]).any()
    assert np.isinf(draws.conf_int().loc["shape"].iloc[1])


def test_refits_estimate_the_shape_again(fits):
    model = fits[1].twin()
    rng = np.random.default_rng(4)
    model.refit(rng.negative_binomial(1, 0.2, 80))
    assert 0.5 < model.shape < 3 and "log(shape)" in model.optsum.names


def test_a_large_shape_may_be_finite():
    """Counts of ten million, a thousandth more variable than a Poisson distribution's."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(20), 40)
    mu = 1e7 * np.exp(0.3 * rng.normal(size=20)[g])
    y = rng.poisson(mu * rng.gamma(1e7, 1e-7, 800)) * 1.0
    model = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "negativebinomial")
    assert model.shape == pytest.approx(1e7, rel=0.3)


def test_an_infinite_shape_may_be_given():
    data = counts(3)
    given = mm.glmm("y ~ x + (1 | g)", data, "negativebinomial", shape=np.inf)
    poisson = mm.glmm("y ~ x + (1 | g)", data, "poisson")
    assert given.objective == pytest.approx(poisson.objective, abs=1e-8)
    assert given.n_parameters == poisson.n_parameters
