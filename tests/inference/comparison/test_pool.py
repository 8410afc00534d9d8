"""Fits of imputed data sets, pooled by Rubin's rules."""

from functools import cache

import numpy as np
import pandas as pd
import postfit_oracles
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import NotFittedError, OptionError
from numbamm.inference.comparison.pool import _pooled


@cache
def sleep():
    data = postfit_oracles.frame("sleep_imp5")
    formula = "Reaction ~ Days + (1 + Days | Subject)"
    return [mm.lmm(formula, group, reml=True) for _, group in data.groupby("imp")]


@cache
def bacteria():
    data = postfit_oracles.frame("bacteria_imp5")
    formula = "y ~ trt + late + (1 | ID)"
    return [mm.glmm(formula, group, "bernoulli") for _, group in data.groupby("imp")]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("rubin_sleep", "barnard_rubin1999"),
        ("rubin_sleep", "rubin1987"),
        ("rubin_bacteria", "rubin1987"),
    ],
)
def test_rules(name, rule):
    """The rules alone, applied to the estimates and variances of the oracle."""
    entry = postfit_oracles.entries()[name]
    each = np.array(entry["Q"])
    within = np.array(
        entry["U"] if "U" in entry else [np.diag(matrix) for matrix in entry["vcovs"]]
    )
    complete = entry["pooled"]["dfcom"] if rule == "barnard_rubin1999" else np.inf
    frame = _pooled(
        each.mean(axis=0),
        within.mean(axis=0),
        each.var(axis=0, ddof=1),
        len(each),
        np.full(each.shape[1], complete),
        0.05,
    )
    wanted = entry["pooled"] | entry["pooled"][rule]
    for ours, theirs in {"pvalue": "p", "lower": "low", "upper": "high"}.items():
        assert_allclose(frame[ours], wanted[theirs], rtol=1e-8)
    for column in ("estimate", "se", "statistic", "df", "riv", "fmi"):
        assert_allclose(frame[column], wanted[column], rtol=1e-8)


def test_linear_models():
    entry = postfit_oracles.entries()["rubin_sleep"]
    pooled = mm.pool(sleep())
    assert_allclose([m.objective for m in sleep()], entry["model"]["criteria"], atol=1e-5)
    wanted = entry["pooled"]
    assert_allclose(pooled.frame["estimate"], wanted["estimate"], rtol=1e-8)
    assert_allclose(pooled.frame["se"], wanted["se"], rtol=1e-6)
    assert_allclose(pooled.frame["df"], wanted["barnard_rubin1999"]["df"], rtol=1e-6)
    variances = pooled.variances
    assert_allclose(
        variances["variance"][variances["name2"].isna()],
        entry["mean_variances"]["values"],
        rtol=1e-6,
    )
    covariance = np.mean([m.varcorr["Subject"].cov for m in sleep()], axis=0)
    assert_allclose(
        variances["corr"].dropna(), covariance[0, 1] / np.sqrt(covariance.diagonal().prod())
    )
    assert "5 imputed data sets" in str(pooled)


def test_generalized_models_and_several_coefficients():
    entry = postfit_oracles.entries()["rubin_bacteria"]
    pooled = mm.pool(bacteria())
    for column in ("estimate", "se"):
        assert_allclose(pooled.frame[column], entry["pooled"][column], rtol=1e-4)
    test = pooled.test(["trt[T.drug]", "trt[T.drug+]"]).frame.loc["joint"]
    wanted = entry["D1_trt"]
    assert_allclose(
        test[["F", "numdf", "dendf", "riv", "pvalue"]].astype(float),
        [wanted[key] for key in ("F", "df1", "df2", "r", "p")],
        rtol=1e-3,
    )
    one = pooled.test("late[T.yes]").frame.loc["joint"]
    assert_allclose(one["F"], pooled.frame.loc["late[T.yes]", "statistic"] ** 2)


def test_few_degrees_of_freedom_of_a_joint_test():
    """Two fits and one coefficient: t = 1, where Rubin's first formula applies."""
    pooled = mm.pool(bacteria()[:2])
    line = pooled.test("late[T.yes]").frame.loc["joint"]
    assert_allclose(line["dendf"], (1 + 1 / line["riv"]) ** 2)
    assert_allclose(line["pvalue"], pooled.frame.loc["late[T.yes]", "pvalue"])  # of t², m = 2


def test_tables():
    """Contrasts and marginal means pool to what the coefficients they are made of say."""
    means = mm.pool([m.emmeans("trt") for m in bacteria()])
    assert means.frame["trt"].astype(str).to_list() == ["placebo", "drug", "drug+"]
    pairs = mm.pool([m.emmeans("trt").contrast("reference", adjust="none") for m in bacteria()])
    coefficients = mm.pool(bacteria()).frame.iloc[1:3]
    numbers = ["estimate", "se", "df", "pvalue", "fmi"]
    assert_allclose(pairs.frame[numbers], coefficients[numbers], rtol=1e-8)
    assert_allclose(np.diff(means.frame["estimate"])[0], coefficients["estimate"].iloc[0])
    with pytest.raises(OptionError, match="no covariances"):
        means.test("trt")


def test_degrees_of_freedom_of_complete_data():
    usual, named = mm.pool(sleep()), mm.pool(sleep(), ddf="satterthwaite")
    assert (named.frame["df"] < 17).all()  # 18 subjects
    assert_allclose(mm.pool(sleep(), df_complete=178).frame["df"], usual.frame["df"])
    table = mm.pool([m.coef_table(ddf="satterthwaite") for m in sleep()])
    assert_allclose(table.frame["df"], named.frame["df"])


def test_nothing_is_missing():
    """Fits that are all the same pool to themselves."""
    m = sleep()[0]
    frame = mm.pool([m, m, m]).frame
    assert_allclose(frame["se"], m.bse)
    assert_allclose(frame["riv"], 0, atol=1e-12)
    assert_allclose(frame["df"], 178 * 179 / 181)


def test_dropped_columns_and_other_orders_of_rows():
    data = mm.datasets.load("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    parts = [data[data["Days"] % 2 == k] for k in (0, 1)]
    fits = [mm.lmm("Reaction ~ Days + twice + (1 | Subject)", part) for part in parts]
    pooled = mm.pool(fits)
    assert np.isnan(pooled.frame.loc["twice", "se"]) and "not estimated in all" in str(pooled)
    turned = [
        mm.lmm(m.formula, p.sample(frac=1, random_state=1))
        for m, p in zip(fits, parts, strict=True)
    ]
    assert_allclose(mm.pool(turned).frame, pooled.frame, rtol=1e-6)
    with pytest.raises(OptionError, match="all fits estimate"):
        pooled.test("twice")


def test_a_singular_fit_is_named():
    data = mm.datasets.load("Dyestuff2")
    fits = [mm.lmm("Yield ~ 1 + (1 | Batch)", data.assign(Yield=data["Yield"] + k)) for k in (0, 1)]
    assert "2 of 2 fits are singular" in str(mm.pool(fits))


def test_what_cannot_be_pooled():
    a, b = sleep()[:2]
    g = bacteria()[0]
    data = postfit_oracles.frame("sleep_imp5").query("imp == 1")
    with pytest.raises(OptionError, match="two or more"):
        mm.pool([a])
    with pytest.raises(OptionError, match="two or more"):
        mm.pool(a)
    with pytest.raises(OptionError, match="differ in formula"):
        mm.pool([a, g])
    with pytest.raises(OptionError, match="one is by REML"):
        mm.pool([a, mm.lmm(a.formula, data)])
    with pytest.raises(OptionError, match=r"scale of the link"):
        mm.pool([g.emmeans("trt", type="response")] * 2)
    with pytest.raises(OptionError, match=r"scale of the link"):
        mm.pool([g.coef_table(exponentiate=True)] * 2)
    with pytest.raises(OptionError, match="same rows"):
        mm.pool([g.emmeans("trt"), g.emmeans("late")])
    with pytest.raises(OptionError, match="is neither"):
        mm.pool([a.anova(), b.anova()])
    with pytest.raises(OptionError, match="is no coefficient; did you mean"):
        mm.pool([a, b]).test("days")
    with pytest.raises(OptionError, match="df_complete"):
        mm.pool([a, b], df_complete=-1)
    with pytest.raises(OptionError, match="ddf is for models"):
        mm.pool([g.emmeans("trt")] * 2, ddf="wald")
    with pytest.raises(NotFittedError):
        mm.pool([mm.LinearMixedModel(a.formula, data)] * 2)


def test_levels_that_an_imputation_lacks():
    data = pd.DataFrame({"y": np.arange(12.0) ** 1.5, "g": list("aabbcc") * 2, "f": list("uv" * 6)})
    other = data.assign(f=list("uvw" * 4))
    fits = [mm.lmm("y ~ f + (1 | g)", d) for d in (data, other)]
    with pytest.raises(OptionError, match="levels of factors declared"):
        mm.pool(fits)
