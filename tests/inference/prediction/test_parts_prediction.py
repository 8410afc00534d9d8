"""Predictions of models of several parts: types, standard errors, intervals and new rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    g = rng.integers(0, 15, 300)
    x = rng.normal(size=300)
    mu = np.exp(0.7 + 0.4 * x + 0.3 * rng.normal(size=15)[g])
    y = rng.poisson(rng.gamma(2, mu / 2)) * (rng.uniform(size=300) > 0.3)
    return {"y": y.astype(float), "x": x, "g": g.astype(str)}


@pytest.fixture(scope="module")
def model(data):
    return mm.glmm("y ~ x + (1 | g)", data, "nbinom2", dispersion="~ x", zi="~ x")


KINDS = ("response", "conditional", "zprob", "dispersion", "link")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("random", [True, False])
def test_new_rows_are_predicted_as_those_of_the_fit(model, data, kind, random):
    old = model.predict(type=kind, random=random, se=True)
    new = model.predict(data, type=kind, random=random, se=True)
    assert_allclose(new["prediction"], old["prediction"], rtol=1e-9)
    assert_allclose(new["se"], old["se"], rtol=1e-7)
    assert (old["se"] >= 0).all()


def test_the_mean_is_that_of_the_parts(model):
    response, conditional, p = (model.predict(type=k) for k in KINDS[:3])
    assert_allclose(response, (1 - p) * conditional)
    assert_allclose(response, model.fittedvalues)
    assert_allclose(conditional, np.exp(model.predict(type="link")))


def test_intervals(model, data):
    few = {k: v[:20] for k, v in data.items()}
    for kind in KINDS[:4]:
        at = model.predict(few, type=kind, interval="confidence", random=False)
        assert ((at["lower"] < at["prediction"]) & (at["prediction"] < at["upper"])).all()
        if kind == "zprob":
            assert ((at["lower"] > 0) & (at["upper"] < 1)).all()
    new = model.predict(few, interval="prediction", draws=200, seed=1)
    assert (new["lower"] == 0).any() and (new["upper"] >= new["prediction"]).mean() > 0.9


def test_types_that_a_model_does_not_have(data):
    plain = mm.glmm("y ~ x + (1 | g)", data, "nbinom1")
    with pytest.raises(OptionError, match="zprob"):
        plain.predict(type="zprob")
    with pytest.raises(OptionError, match="type must be"):
        mm.glmm("y ~ x + (1 | g)", data, "nbinom2").predict(type="conditional")


def test_simulated_responses_are_of_every_part(model):
    y = model.simulate(3, n=40, re_form="all")
    assert y.to_numpy().mean() == pytest.approx(model.fittedvalues.mean(), rel=0.05)
    zeros = model.fitted_distribution.zeros().mean()
    assert (y.to_numpy() == 0).mean() == pytest.approx(zeros, abs=0.02)


def test_what_is_not_of_the_response_says_so(model):
    notes = str(model.emmeans("x", at={"x": [0.0]}))
    assert "μ is of the family, not the mean of responses" in notes
    with pytest.raises(OptionError, match="working residuals are not known"):
        model.residuals("working")


def test_random_effects_of_two_parts(data):
    g = mm.glmm("y ~ x + (1 | g)", data, "poisson", zi="~ 1 + (1 | g)")
    with pytest.raises(OptionError, match="take conditional=False"):
        g.simulated_residuals(n=100)
    assert len(g.simulated_residuals(n=100, seed=1, conditional=False).residuals) == 300


def test_lines_of_groups_are_mean_responses(model, data):
    ax = model.plot.fit(n=1)[0]
    mine = data["g"] == ax.get_title()
    drawn = {float(v) for line in ax.get_lines() for v in np.round(line.get_ydata(), 8)}
    for random in (True, False):
        wanted = model.predict(random=random)[mine]
        assert {float(v) for v in np.round(wanted, 8)} <= drawn
    ax = model.plot.effects("x", points="data")[0]
    assert ax.get_ylabel() == "y"
    line = ax.get_lines()[0].get_xydata()
    wanted = model.predict({"x": line[:, 0]}, random=False)
    assert_allclose(line[:, 1], wanted)
    with pytest.raises(OptionError, match="partial"):
        model.plot.effects("x", points="partial")
