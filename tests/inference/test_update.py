"""`update`: models like others, with changed formulas, data and options."""

import numpy as np
import pytest

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def test_models(fitted):
    model = fitted(SLEEP, "sleepstudy", reml=True)
    small = model.update("~ . - (1 + Days | Subject) + (1 | Subject)")
    expected = fitted("Reaction ~ 1 + Days + (1 | Subject)", "sleepstudy", reml=True)
    assert small.objective == expected.objective and small.estimates.reml
    assert model.update(reml=False).objective == fitted(SLEEP, "sleepstudy").objective
    assert model.formula == SLEEP and model.estimates.reml  # left as it is
    with pytest.raises(mm.OptionError, match="write reml=True"):
        model.update("~ .", REML=True)
    data = mm.datasets.load("sleepstudy").query("Days < 8")
    assert model.update(data=data).nobs == len(data)
    assert not model.update("~ . - Days", fit=False).is_fitted
    unfitted = mm.LinearMixedModel(SLEEP, data)
    assert not unfitted.update("~ .").is_fitted and unfitted.update("~ .", fit=True).is_fitted


def test_generalized_models_and_their_options():
    cbpp = mm.datasets.load("cbpp").assign(w=1.0)
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, cbpp, "binomial", "probit", fast=True, weights="w")
    model.optsum.ftol_abs = 1e-6
    small = model.update("~ . - period")
    assert (small.family, small.link, small.is_fast) == ("binomial", "probit", True)
    assert small.optsum.ftol_abs == 1e-6
    direct = mm.glmm(
        "cbind(incidence, size - incidence) ~ 1 + (1 | herd)",
        cbpp,
        "binomial",
        "probit",
        fast=True,
        weights="w",
    )
    assert small.objective == pytest.approx(direct.objective, abs=1e-4)
    assert model.update(link="cloglog").link == "cloglog"
    counts = mm.GeneralizedLinearMixedModel("incidence ~ period + (1 | herd)", cbpp, "poisson")
    assert counts.update(family="negativebinomial").family == "negativebinomial"


def test_functions_of_the_caller_and_weights():
    def halved(x):
        return x / 2

    rng = np.random.default_rng(3)
    rows = {"x": rng.standard_normal(60), "g": np.repeat(np.arange(10), 6)}
    rows["y"] = rows["x"] + rng.standard_normal(60)
    weights = rng.uniform(1, 2, 60)
    model = mm.lmm("y ~ 1 + (1 | g)", rows, weights=weights)
    changed = model.update("~ . + halved(x)")
    direct = mm.lmm("y ~ 1 + halved(x) + (1 | g)", rows, weights=weights)
    assert changed.objective == pytest.approx(direct.objective)


def test_a_smaller_model_may_have_another_tail_than_was_asked_for():
    rng = np.random.default_rng(0)
    data = {"y": rng.normal(size=600), "x": rng.normal(size=600)}
    data |= {"g": rng.integers(0, 150, 600), "h": rng.integers(0, 90, 600)}
    m = mm.LinearMixedModel("y ~ x + (1 | g) + (1 | h)", data, tail="iterative", probes=16, seed=3)
    assert m.update("~ . - (1 | h)", fit=False).blocks.name == "dense"
    other = m.update("~ . - x", fit=False)
    assert other.blocks.request[:3] == ("iterative", 16, 3)
    assert other.update("~ . + x", fit=False, seed=4).blocks.request[:3] == ("iterative", 16, 4)
    with pytest.raises(mm.OptionError, match="leave tail at 'auto'"):
        m.update("~ . - (1 | h)", fit=False, tail="iterative")
