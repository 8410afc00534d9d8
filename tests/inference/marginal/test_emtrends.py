"""Trends, against emmeans."""

from functools import cache

import numpy as np
import pandas as pd
import postfit_oracles
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


@cache
def cake():
    formula = "angle ~ recipe * temp + (1 | recipe:replicate)"
    return mm.lmm(formula, mm.datasets.load("cake"), reml=True)


@cache
def contraception():
    formula = "use ~ urban * age + I(age**2) + livch + (1 | district)"
    return mm.glmm(formula, mm.datasets.load("Contraception"), "bernoulli")


def compare(table, rows, ours, theirs, rtol=1e-4):
    theirs = pd.DataFrame(rows).rename(columns={theirs: "estimate"})
    assert_allclose(table[ours], theirs["estimate"], atol=1e-6)
    assert_allclose(table["se"], theirs["SE"], rtol=rtol)
    if "lower.CL" in theirs:
        assert_allclose(table["df"], theirs["df"], rtol=1e-5)
        assert_allclose(table["lower"], theirs["lower.CL"], atol=1e-5)


@pytest.mark.parametrize("ddf", ["kenward-roger", "satterthwaite"])
def test_linear_models(ddf):
    entry, trends = postfit_oracles.entries()[f"emtrends_cake_{ddf}"], None
    trends = cake().emtrends("recipe", "temp", ddf=ddf)
    compare(trends.frame, entry["trends"], "trend", "temp.trend")
    compare(trends.pairs().frame, entry["pairs_tukey"], "estimate", "estimate")
    assert_allclose(trends.pairs("mvt").frame["pvalue"], entry["pairs_mvt"]["p_mvt"], atol=1e-7)


def test_curves():
    """emmeans takes a first difference over 0.001 of the range: our slope at its middle.

    glmmTMB's standard errors, as it leaves them, are within 2e-4 of those by exact gradients.
    """
    entry, m = postfit_oracles.entries()["emtrends_contraception"], contraception()
    data = mm.datasets.load("Contraception")
    half = 0.0005 * np.ptp(data["age"])
    theirs = m.emtrends("urban * age", "age", at={"age": np.array([-10, 0, 10]) + half})
    compare(theirs.frame, entry["trends_at"], "trend", "age.trend", 2e-4)
    usual = m.emtrends("urban", "age", at={"age": [data["age"].mean() + half]})
    compare(usual.frame, entry["trends"], "trend", "age.trend", 2e-4)
    compare(usual.pairs().frame, entry["pairs"], "estimate", "estimate", 2e-4)
    exact = m.emtrends("urban", "age", at={"age": [7.0]}).frame["trend"]
    b = m.params
    assert_allclose(exact[0], b["age"] + 2 * 7 * b["I(age ** 2)"], rtol=1e-7)
    assert_allclose(exact[1] - exact[0], b["urban[T.Y]:age"], rtol=1e-6)


def test_far_scales_and_functions():
    d = mm.datasets.load("cake").assign(t=lambda d: d["temp"] * 1e6)
    m = mm.lmm("angle ~ recipe * log(t) + (1 | recipe:replicate)", d, reml=True)
    at = 2e8
    trends = m.emtrends("recipe", "t", at={"t": [at]}).frame["trend"]
    assert_allclose(trends[0], m.params["log(t)"] / at, rtol=1e-5)


def test_plot_and_words():
    trends = cake().emtrends("recipe", "temp")
    assert "Slopes of the linear predictor by temp." in str(trends)
    assert trends.plot()[0].get_ylabel() == "Slope"
    assert "Contrasts of trends" in str(trends.pairs())


def test_what_is_refused():
    with pytest.raises(OptionError, match="is a factor"):
        cake().emtrends("recipe", "recipe")
    with pytest.raises(OptionError, match="'tmp' is no variable"):
        cake().emtrends("recipe", "tmp")
    with pytest.raises(OptionError, match="name of a covariate"):
        cake().emtrends("recipe", 3)
