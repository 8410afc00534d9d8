"""The package marginaleffects on models of ours, against our own means and contrasts."""

import numpy as np
import oracles
import pytest

import numbamm as mm

me = pytest.importorskip("marginaleffects")
pl = pytest.importorskip("polars")
if int(pl.__version__.split(".")[0]) > 1:
    pytest.skip("marginaleffects 0.6 does not work with polars 2", allow_module_level=True)

CAKE = "angle ~ recipe * temp + (1 | recipe:replicate)"
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture(scope="module")
def binomial():
    return mm.glmm(CBPP, oracles.dataset("cbpp"), "binomial")


def assert_same(theirs, ours, estimate="estimate"):
    np.testing.assert_allclose(theirs["estimate"], ours[estimate], rtol=1e-6)
    np.testing.assert_allclose(theirs["std_error"], ours["se"], rtol=1e-5)


def test_a_linear_model(fitted):
    model = fitted(CAKE, "cake", reml=True)
    theirs = model.for_marginaleffects()
    means = model.emmeans("recipe", ddf="wald")
    grid = me.datagrid(recipe=["A", "B", "C"], model=theirs)
    found = me.predictions(theirs, newdata=grid)
    assert_same(found, means.frame, "mean")
    np.testing.assert_allclose(found["conf_low"], means.frame["lower"], rtol=1e-5)
    pairs = me.avg_comparisons(theirs, variables={"recipe": "pairwise"})
    ours = means.pairs("none").frame
    np.testing.assert_allclose(np.sort(np.abs(pairs["estimate"])), np.sort(ours["estimate"].abs()))
    np.testing.assert_allclose(pairs["std_error"], ours["se"], rtol=1e-5)
    slope = {"temp": 1, "recipe[T.B]:temp": 1 / 3, "recipe[T.C]:temp": 1 / 3}
    slopes = me.avg_slopes(theirs, variables="temp", eps_vcov=1e-2)
    assert_same(slopes, model.contrast(slope, ddf="wald").frame)
    tested = me.hypotheses(theirs, hypothesis="b1 = b2")
    ours = model.contrast({"recipe[T.B]": 1, "recipe[T.C]": -1}, ddf="wald").frame
    assert_same(tested, ours)
    np.testing.assert_allclose(tested["p_value"], ours["pvalue"], rtol=1e-5)
    by = me.avg_predictions(theirs, by="recipe:replicate")
    assert len(by) == 45


def test_other_covariances_and_degrees_of_freedom(fitted):
    model = fitted("Reaction ~ Days + (1 | Subject)", "sleepstudy", reml=True)
    found = me.avg_slopes(model.for_marginaleffects(df=161), vcov="kenward-roger", eps_vcov=1.0)
    ours = model.coef_table(ddf="kenward-roger").frame.loc[["Days"]]
    assert_same(found, ours)
    np.testing.assert_allclose(found["conf_high"], ours["upper"], rtol=1e-5)


def test_a_generalized_model(binomial):
    means = binomial.emmeans("period", type="response")
    theirs = binomial.for_marginaleffects()
    found = me.predictions(theirs, newdata=me.datagrid(period=list("1234"), model=theirs))
    assert_same(found, means.frame, "mean")
    log_odds = binomial.for_marginaleffects(type="link")
    found = me.avg_comparisons(log_odds, variables="period")
    assert_same(found, binomial.emmeans("period").contrast("reference", adjust="none").frame)
    own = binomial.predict(random=False).groupby(oracles.dataset("cbpp")["herd"], observed=True)
    found = me.avg_predictions(theirs, by="herd")
    np.testing.assert_allclose(found["estimate"], own.mean(), rtol=1e-10)


def test_offsets_and_dropped_columns():
    rows = oracles.dataset("cbpp").assign(
        exposure=lambda d: np.log(d["size"]), late=lambda d: d["period"].isin(["3", "4"])
    )
    for also in ("", " + offset(0.1 * (size > 10))"):
        formula = f"incidence ~ period + late{also} + (1 | herd)"
        model = mm.glmm(formula, rows, "poisson", offset="exposure")
        assert model.feterm.dropped
        found = me.predictions(model.for_marginaleffects())
        np.testing.assert_allclose(found["estimate"], model.predict(random=False), rtol=1e-10)
    again = mm.glmm("incidence ~ period + offset(log(size)) + (1 | herd)", rows, "poisson")
    found = me.avg_comparisons(again.for_marginaleffects(type="link"), variables="period")
    np.testing.assert_allclose(found["estimate"], again.params.iloc[1:], rtol=1e-6)
    np.testing.assert_allclose(found["std_error"], again.bse.iloc[1:], rtol=1e-4)


@pytest.mark.parametrize("formula", ["C(third)", "late", "poly(Days, 2) * late"])
def test_numeric_factors_flags_and_transforms(formula):
    rows = oracles.dataset("sleepstudy").assign(
        third=lambda d: d["Days"] % 3, late=lambda d: d["Days"] > 5
    )
    model = mm.lmm(f"Reaction ~ {formula} + (1 | Subject)", rows)
    theirs = model.for_marginaleffects()
    found = me.predictions(theirs)
    np.testing.assert_allclose(found["estimate"], model.predict(random=False), rtol=1e-10)
    if "*" not in formula:
        assert_same(me.avg_comparisons(theirs), model.coef_table(ddf="wald").frame.iloc[1:])


def test_names_that_it_keeps_to_itself():
    rows = oracles.dataset("sleepstudy").rename(
        columns={"Subject": "group", "Reaction": "estimate"}
    )
    model = mm.lmm("estimate ~ Days + (1 | group)", rows)
    found = me.predictions(model.for_marginaleffects())
    np.testing.assert_allclose(found["estimate"], model.predict(random=False), rtol=1e-10)


def test_mistakes(binomial):
    with pytest.raises(mm.OptionError, match="type must be one of"):
        binomial.for_marginaleffects(type="log")
    with pytest.raises(mm.OptionError, match="df must be positive"):
        binomial.for_marginaleffects(df=0)
    rows = oracles.dataset("sleepstudy")
    model = mm.lmm("Reaction ~ Days + (1 | Subject)", rows, offset=np.ones(180))
    with pytest.raises(mm.DataError, match="offset was given as an array"):
        model.for_marginaleffects()
