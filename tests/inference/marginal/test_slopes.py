"""Average slopes, against other programs and differences of predictions."""

import numpy as np
import pandas as pd
import postfit_oracles
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, OptionError

AGE = postfit_oracles.entries()["ame_contraception_age"]


@pytest.mark.parametrize(("re", "key"), [("integrated", "marginal"), ("zero", "at_zero")])
def test_average_marginal_effect(entry_model, re, key):
    line = entry_model("ame_contraception_age").slopes("age", re=re).frame.iloc[0]
    assert_allclose(line["estimate"], AGE[key]["estimate"][0], atol=1e-6)
    assert_allclose(line["se"], AGE[key]["se"][0], rtol=1e-4)


@pytest.mark.parametrize("re", ["integrated", "zero"])
def test_they_are_derivatives_of_predictions(entry_model, re):
    g = entry_model("ame_contraception_age")
    data = postfit_oracles.frame("Contraception")
    h = 1e-3
    up, down = (g.predict(data.assign(age=data["age"] + s, livch="1"), re=re) for s in (h, -h))
    slope = (up - down) / (2 * h)
    table = g.slopes("age", by="urban", at={"livch": "1"}, re=re).frame
    assert_allclose(table["estimate"], slope.groupby(data["urban"]).mean(), atol=1e-7)
    assert table["urban"].to_list() == ["N", "Y"] and set(table["livch"]) == {"1"}


def test_random_slopes_change_the_variance_along_the_way():
    """Of integrated means: against differences of predictions, and of parameters."""
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"g": rng.permutation(np.arange(240) % 15), "o": rng.normal(size=240) * 0.1})
    d["x"] = rng.normal(3, 1, 240).round(1)
    b = rng.normal(size=(15, 2))[d["g"]].T
    d["y"] = rng.poisson(np.exp(0.3 + 0.2 * d["x"] + 0.4 * b[0] + 0.2 * d["x"] * b[1] + d["o"]))
    g = mm.glmm("y ~ x + I(x**2) + offset(o) + (1 + x | g)", d, "poisson")
    table = g.slopes("x", re="integrated")
    h = 1e-4
    up, down = (g.predict(d.assign(x=d["x"] + s), re="integrated") for s in (h, -h))
    assert_allclose(table.frame["estimate"], ((up - down) / (2 * h)).mean(), rtol=1e-7)
    at = g.optsum.final
    for k in range(len(at)):
        step = np.eye(len(at))[k] * 1e-3
        ends = [
            g.twin().estimate_at(at + s).slopes("x", re="integrated").frame["estimate"][0]
            for s in (step, -step)
        ]
        assert_allclose(table.gradient[0, k], (ends[0] - ends[1]) / 2e-3, rtol=2e-4, atol=1e-6)


def test_at_values_of_the_covariate_itself(entry_model):
    g = entry_model("ame_contraception_age")
    table = g.slopes("age", at={"age": [-10, 10]}, type="link").frame
    b = g.params
    wanted = b["age"] + 2 * np.array([-10, 10]) * b["I(age ** 2)"]
    assert_allclose(table["estimate"], wanted, rtol=1e-7)


def test_linear_models_have_the_degrees_of_freedom_of_their_combinations():
    m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"), reml=True)
    line, table = m.slopes("Days").frame.iloc[0], m.contrast({"Days": 1}).frame.iloc[0]
    for name in ("estimate", "se", "df", "pvalue", "lower"):
        assert_allclose(line[name], table[name], rtol=1e-8)
    robust = m.slopes("Days", robust="CR2").frame.iloc[0]
    assert_allclose(robust["se"], m.coef_table(robust="CR2").frame.loc["Days", "se"])


def test_what_is_refused(entry_model):
    g = entry_model("ame_contraception_age")
    for call, error, words in (
        ({"var": "urban"}, OptionError, r"comparisons\(\) compares its levels"),
        ({"var": "ages"}, OptionError, "'ages' is no variable of the fixed effects; did you mean"),
        ({"var": "age", "by": "urban", "at": {"urban": "N"}}, OptionError, "both in by and in at"),
        ({"var": "age", "at": {"urban": "Z"}}, DataError, "no level of 'urban'"),
        ({"var": "age", "re": "integrated", "type": "link"}, OptionError, "at zero"),
        ({"var": 3}, OptionError, "name of a variable"),
    ):
        with pytest.raises(error, match=words):
            g.slopes(**call)


@pytest.mark.parametrize("spline", ["bs(x, df=5)", "cr(x, df=4)", "poly(x, 3)"])
def test_a_spline_is_differentiated_within_the_range_of_the_data(spline):
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"x": rng.uniform(0, 10, 300), "g": rng.integers(0, 12, 300)})
    data["y"] = np.sin(data["x"]) + rng.normal(size=300)
    m = mm.lmm(f"y ~ {spline} + (1 | g)", data)
    ends = data["x"].agg(["min", "max"]).to_list()
    h = 1e-5
    inner = data["x"].clip(ends[0] + 2 * h, ends[1] - 2 * h)
    up, down = (m.predict(data.assign(x=inner + s), random=False) for s in (h, -h))
    slope = ((up - down) / (2 * h)).mean()
    assert_allclose(m.slopes("x").frame["estimate"], slope, rtol=1e-4)
    trends = m.emtrends("x", "x", at={"x": ends}).frame["trend"]
    assert_allclose(trends, m.slopes("x", at={"x": ends}).frame["estimate"], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({}, "Of y, for random effects and residuals of zero: its median."),
        ({"type": "link"}, "On the scale of log(y)."),
        ({"re": "integrated"}, "Means over the distribution of the random effects and the residu"),
    ],
)
def test_of_a_transformed_response_the_table_says_what_it_is(options, note):
    sleep = mm.datasets.load("sleepstudy").rename(columns={"Reaction": "y"})
    m = mm.lmm("log(y) ~ Days + (1 | Subject)", sleep)
    assert any(line.startswith(note) for line in m.slopes("Days", **options).notes)
