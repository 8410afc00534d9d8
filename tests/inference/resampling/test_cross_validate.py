"""Scores of rows that a fit leaves out, against models that are built without them."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm, poisson

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.inference.resampling.cross_validate import _crps_of_draws, _normal_scores


@cache
def sleep():
    return mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"), reml=True)


@pytest.mark.filterwarnings("ignore:levels of")
@pytest.mark.parametrize("groups", [None, "Subject"])
def test_linear_models(groups):
    data = mm.datasets.load("sleepstudy")
    cv = sleep().cross_validate(groups, k=6, seed=3)
    table = cv.predictions
    rows = table["fold"] == 2
    m = mm.lmm(sleep().formula, data[~rows], reml=True)
    p = m.predict(data[rows], se=True, new_levels="population")
    assert_allclose(table["predicted"][rows], p["prediction"], rtol=1e-5)
    sd = np.sqrt(p["se"] ** 2 + m.sigma**2)
    wanted = norm.logpdf(data["Reaction"][rows], p["prediction"], sd)
    assert_allclose(table["log_score"][rows], wanted, rtol=1e-4)
    if groups:
        assert (table.groupby(data["Subject"], observed=True)["fold"].nunique() == 1).all()
    error = table["observed"] - table["predicted"]
    assert_allclose(cv.frame.loc["all", "rmse"], np.sqrt((error**2).mean()))
    assert cv.frame.loc["all", "rows"] == 180 and "brier" not in cv.frame


def test_events():
    data = mm.datasets.load("Contraception").sample(400, random_state=1)
    g = mm.glmm("use ~ age + urban + (1 | district)", data, "bernoulli")
    cv = g.cross_validate(k=3, seed=1)
    table = cv.predictions
    y, p = table["observed"], table["predicted"]
    assert_allclose(table["log_score"], np.where(y == 1, np.log(p), np.log1p(-p)), rtol=1e-6)
    assert_allclose(cv.frame.loc["all", "brier"], ((y - p) ** 2).mean())
    assert_allclose(table["crps"], (y - p) ** 2, atol=0.1)  # by draws
    rows = table["fold"] == 0
    m = mm.glmm(g.formula, data[~rows], "bernoulli")
    known = data["district"].isin(data["district"][~rows])
    eta = m.predict(data[rows & known], type="link")
    inside = p[rows & known] - 1 / (1 + np.exp(-eta))
    assert inside.abs().max() < 0.05  # averaged over the error of the linear predictor


@pytest.fixture(scope="module")
def zeros():
    rng = np.random.default_rng(5)
    g, x = rng.integers(0, 8, 120), rng.normal(size=120)
    y = rng.poisson(np.exp(0.9 + 0.3 * x)) * (rng.uniform(size=120) > 1 / (1 + np.exp(1 - x)))
    return pd.DataFrame({"y": y.astype(float), "x": x, "g": g.astype(str)})


@pytest.mark.parametrize("part", ["zi", "hurdle"])
def test_models_of_several_parts(zeros, part):
    g = mm.glmm("y ~ x + (1 | g)", zeros, "poisson", **{part: "~ x"})
    table = g.cross_validate(k=3, seed=1).predictions
    rows = table["fold"] == 1
    m = mm.glmm(g.formula, zeros[~rows], "poisson", **{part: "~ x"})
    eta = m.predict(zeros[rows], type="link", se=True)
    p, y = m.predict(zeros[rows], type="zprob").to_numpy(), zeros["y"][rows].to_numpy()
    z = np.linspace(-6, 6, 301)
    mu = np.exp(eta["prediction"].to_numpy()[:, None] + eta["se"].to_numpy()[:, None] * z)
    zero, f = np.exp(-mu), poisson.pmf(y[:, None], mu)
    if part == "hurdle":
        f, mu = np.where(y[:, None] == 0, 0.0, f / (1 - zero)), mu / (1 - zero)
    f = (p * (y == 0))[:, None] + (1 - p)[:, None] * f
    weights = norm.pdf(z) / norm.pdf(z).sum()
    assert_allclose(table["predicted"][rows], (1 - p) * (mu @ weights), rtol=1e-3)
    assert_allclose(table["log_score"][rows], np.log(f @ weights), atol=2e-3)
    assert (table["crps"] < np.abs(y.max())).all()


def test_random_effects_in_two_parts(zeros):
    g = mm.glmm("y ~ x + (1 | g)", zeros, "poisson", zi="~ 1 + (1 | g)", fast=False)
    with pytest.raises(OptionError, match="cross_validate: not known for a model with random eff"):
        g.cross_validate(k=3)


def test_scores_pick_the_right_model():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"g": np.repeat(np.arange(25), 10), "x": rng.normal(size=250)})
    slope = rng.normal(size=25)[d["g"]]
    d["y"] = d["x"] + 1.5 * slope * d["x"] + rng.normal(size=250)
    right, wrong = (mm.lmm(f"y ~ x + ({z} | g)", d) for z in ("x", "1"))
    for groups in (None, "g"):
        a, b = (m.cross_validate(groups, k=5).frame.loc["all"] for m in (right, wrong))
        assert a["log_score"] > b["log_score"] + 0.1 and a["crps"] < b["crps"]


def test_weights_offset_missing_rows_and_order():
    data = mm.datasets.load("sleepstudy").assign(
        w=lambda d: 1 + d["Days"] % 3, o=lambda d: d["Days"]
    )
    data.loc[4, "Reaction"] = np.nan
    labels = data["Subject"].astype(str)
    m = mm.lmm("Reaction ~ Days + (1 | Subject)", data, weights="w", offset="o")
    cv = m.cross_validate(labels, k=4)
    assert np.isnan(cv.predictions.loc[4, "predicted"])
    part = cv.predictions["fold"]
    turned = data.sample(frac=1, random_state=2)
    other = mm.lmm(m.formula, turned, weights="w", offset="o")
    rows = part == 1
    by_hand = other.without_rows(np.flatnonzero(rows.loc[turned.index[turned["Reaction"].notna()]]))
    by_hand.refit(progress=False)
    assert_allclose(
        cv.predictions["predicted"][rows],
        data["o"][rows] + by_hand.params["Intercept"] + by_hand.params["Days"] * data["Days"][rows],
        rtol=1e-5,
    )


def test_reproducible_on_threads():
    one, two = (sleep().cross_validate(seed=5, workers=w).frame for w in (1, 2))
    assert_allclose(one, two)
    assert not np.allclose(one, sleep().cross_validate(seed=6).frame)


def test_crps():
    y, mean, sd = np.array([0.3]), np.array([1.0]), np.array([0.7])

    def f(x):
        return (norm.cdf(x, 1.0, 0.7) - (x >= 0.3)) ** 2

    wanted = quad(f, -6, 0.3)[0] + quad(f, 0.3, 8)[0]
    assert_allclose(_normal_scores(y, mean, sd)["crps"], wanted, rtol=1e-8)
    draws = np.random.default_rng(1).normal(1.0, 0.7, (4000, 1))
    assert_allclose(_crps_of_draws(y, draws), wanted, rtol=0.05)


def test_a_part_without_which_columns_depend_on_each_other():
    """Its fit fails, which a note says, and the others count."""
    d = mm.datasets.load("sleepstudy")
    d["one"] = (d["Subject"].astype(str) == "309").astype(float)
    m = mm.lmm("Reaction ~ Days + one + (1 | Subject)", d)
    cv = m.cross_validate("Subject", k=18)
    known = cv.predictions["predicted"].notna()
    assert known.sum() >= 170 and np.isfinite(cv.frame.loc["all", "rmse"])


def test_what_is_refused():
    for call, words in (
        ({"k": 1}, "at least 2"),
        ({"groups": "subject"}, "did you mean 'Subject'"),
        ({"groups": [1, 2]}, "each of the 180 rows"),
        ({"groups": np.ones(180)}, "two groups or more"),
        ({"groups": [None] + ["a", "b", "b"] * 59 + ["a", "a"]}, "1 rows that are used"),
        ({"seed": "x"}, "seed must be"),
    ):
        with pytest.raises(OptionError, match=words):
            sleep().cross_validate(**call)
