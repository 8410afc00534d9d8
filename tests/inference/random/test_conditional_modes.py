"""Random effects in long form, and coefficients by level."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from oracles import LINEAR

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def test_modes_and_standard_deviations_of_lme4(fitted_oracle):
    oracle = next(o for o in LINEAR.values() if o.dataset == "Penicillin")
    table = fitted_oracle(oracle).ranef(condvar=True)
    assert list(table) == ["group", "term", "level", "estimate", "se", "lower", "upper"]
    assert len(table) == 24 + 6
    for group in ("plate", "sample"):
        modes, sd = oracle.ranef(group)
        mine = table[table["group"] == group].set_index("level").loc[modes.index]
        assert_allclose(mine["estimate"], modes["Intercept"], rtol=1e-4)
        assert_allclose(mine["se"], sd["Intercept"], rtol=1e-4)
        assert (mine["term"] == "Intercept").all()


def test_intervals_and_order(fitted):
    model = fitted(SLEEP, "sleepstudy")
    table = model.ranef(condvar=True, alpha=0.1)
    assert_allclose(table["upper"] - table["lower"], 2 * 1.6448536 * table["se"])
    assert_allclose(table["upper"] + table["lower"], 2 * table["estimate"])
    wide = table.pivot(index="level", columns="term", values="estimate")
    assert_allclose(wide[["Intercept", "Days"]], model.ranef()["Subject"])
    V = model.condvar()["Subject"].loc["309"]
    mine = table[table["level"] == "309"].set_index("term")
    assert_allclose(mine["se"], np.sqrt(np.diag(V)))
    with pytest.raises(mm.OptionError, match="alpha must be between"):
        model.ranef(condvar=True, alpha=0)


def test_terms_that_share_a_factor():
    formula = "Reaction ~ 1 + Days + (1 | Subject) + (0 + Days | Subject)"
    model = mm.lmm(formula, mm.datasets.load("sleepstudy"), amalgamate=False)
    table = model.ranef(condvar=True)
    assert len(table) == 36
    assert not table.isna().any(axis=None)


def test_coefficients_predict(fitted):
    model = fitted(SLEEP, "sleepstudy")
    by_subject = model.coef()["Subject"]
    assert list(by_subject) == ["Intercept", "Days"]
    assert_allclose(by_subject, model.ranef()["Subject"] + model.params)
    new = {"Days": np.full(18, 4.0), "Subject": by_subject.index}
    assert_allclose(model.predict(new), by_subject["Intercept"] + 4 * by_subject["Days"])


def test_effects_of_one_kind_only():
    data = mm.datasets.load("sleepstudy").assign(even=lambda d: d["Days"] % 2)
    model = mm.lmm("Reaction ~ 1 + Days + (1 + even | Subject)", data)
    frame = model.coef()["Subject"]
    assert list(frame) == ["Intercept", "Days", "even"]
    assert (frame["Days"] == model.params["Days"]).all()
    pd.testing.assert_series_equal(frame["even"], model.ranef()["Subject"]["even"])


def test_before_a_fit():
    model = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    with pytest.raises(mm.NotFittedError):
        model.ranef(condvar=True)
    with pytest.raises(mm.NotFittedError):
        model.coef()


CROSSED = ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin")


def test_a_factor_by_its_name(fitted):
    model = fitted(*CROSSED)
    for function in (model.ranef, model.coef, model.condvar):
        assert set(function()) == {"plate", "sample"}
        for group in ("plate", "sample"):
            pd.testing.assert_frame_equal(function(group), function()[group])
        with pytest.raises(mm.OptionError, match="no grouping factor; did you mean 'sample'"):
            function("smaple")
        with pytest.raises(mm.OptionError, match="True is no grouping factor.*plate, sample"):
            function(True)
    intervals = model.ranef("sample", condvar=True)
    whole = model.ranef(condvar=True)
    expected = whole[whole["group"] == "sample"].reset_index(drop=True)
    pd.testing.assert_frame_equal(intervals, expected)
    with pytest.raises(TypeError):
        model.ranef("plate", True)
