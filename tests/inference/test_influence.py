"""Leverage, Cook's distance, and the deletion of levels."""

import numpy as np
import oracles
import pytest

import numbamm as mm

SLEEP = "Reaction ~ Days + (Days | Subject)"


def test_rows_agree_with_lme4(fitted):
    found = fitted(SLEEP, "sleepstudy", reml=True).influence()
    expected = oracles.INFERENCE["cooks_sleep"]["result"]["cooks_first3"]
    np.testing.assert_allclose(found["cooks"][:3], expected, rtol=1e-4)
    expected = oracles.INFERENCE["resid_sleep"]["result"]
    np.testing.assert_allclose(found["studentized"][:3], expected["rstudent"], rtol=1e-4)
    np.testing.assert_allclose(found["pearson"][:3], expected["pearson"], rtol=1e-4)


def test_weights_and_dropped_rows():
    """Weights of 4 are halved standard deviations: distances are those of the scaled rows."""
    rows = oracles.dataset("sleepstudy").copy()
    rows.loc[3, "Reaction"] = np.nan
    w = np.where(np.arange(180) % 3 == 0, 4.0, 1.0)
    model = mm.lmm(SLEEP, rows, weights=w)
    found = model.influence()
    assert found.loc[3].isna().all() and found.drop(index=3).notna().all().all()
    np.testing.assert_allclose(found["pearson"], np.sqrt(w) * found["resid"])
    h = found["leverage"]
    expected = (found["pearson"] / model.sigma / (1 - h)) ** 2 * h / 2
    np.testing.assert_allclose(found["cooks"], expected)
    np.testing.assert_array_equal(model.cooks_distance(), found["cooks"])
    # the leverage of a row is the change of its own fitted value by its response
    moved = mm.lmm(SLEEP, rows, weights=w)
    step = np.where(np.arange(180) == 5, 1e-3, 0.0)
    moved._replace_response((rows["Reaction"] + step).to_numpy()[model.frame.rows])
    moved._estimates = moved._estimate(model.theta, 0.0)
    change = (moved.fittedvalues - model.fittedvalues)[5] / 1e-3
    assert change == pytest.approx(h[5], rel=1e-5)


@pytest.mark.parametrize("options", [{"reml": True}, {"reml": False}, {"weights": "w"}])
def test_levels_are_left_out_as_if_they_had_not_been_there(options):
    rows = oracles.dataset("sleepstudy").assign(w=np.linspace(0.5, 2, 180))
    model = mm.lmm(SLEEP, rows, **options)
    theta = model.theta.copy()
    found = model.delete_levels("Subject")
    np.testing.assert_array_equal(model.theta, theta)
    for level in ("308", "337"):
        alone = mm.lmm(SLEEP, rows[rows["Subject"].astype(str) != level], **options)
        line = found.frame.loc[level]
        assert line["rows"] == 10
        assert line["objective"] == pytest.approx(alone.objective, abs=1e-5)
        assert line["sigma"] == pytest.approx(alone.sigma, rel=1e-4)
        np.testing.assert_allclose(found.theta.loc[level], alone.theta, atol=1e-3)
        scale = 1e-3 * alone.bse
        assert (abs(found.params.loc[level] - alone.params) <= scale).all()
        change = model.params - alone.params
        np.testing.assert_allclose(found.dfbetas.loc[level], change / alone.bse, atol=1e-3)
        cooks = change @ np.linalg.solve(model.cov_params(), change) / 2
        assert line["cooks"] == pytest.approx(cooks, rel=1e-3)
        ratio = np.linalg.det(alone.cov_params()) / np.linalg.det(model.cov_params())
        assert line["covratio"] == pytest.approx(ratio, rel=1e-3)


def test_theta_held(fitted):
    """β of the remaining rows at the same θ."""
    formula, rows = "diameter ~ 1 + (1 | plate) + (1 | sample)", oracles.dataset("Penicillin")
    model = fitted(formula, "Penicillin")
    found = model.delete_levels(refit=False)
    assert found.frame.index.name == "sample" and "held" in repr(found)
    alone = mm.LinearMixedModel(formula, rows[rows["sample"] != "B"])
    alone._estimates = alone._estimate(model.theta, alone.objective_at(model.theta))
    line = found.frame.loc["B"]
    assert line["objective"] == pytest.approx(alone.objective, abs=1e-8)
    assert line["sigma"] == pytest.approx(alone.sigma, rel=1e-10)
    assert found.params.loc["B", "Intercept"] == pytest.approx(alone.beta[0], rel=1e-10)
    np.testing.assert_array_equal(found.theta.loc["B"], model.theta)


def test_levels_that_hold_up_a_coefficient(fitted):
    """Without its only level a mean cannot be estimated."""
    rows = oracles.dataset("sleepstudy").assign(
        only=lambda d: (d["Subject"].astype(str) == "335").astype(float)
    )
    model = mm.lmm("Reaction ~ Days + only + (1 | Subject)", rows)
    found = model.delete_levels(refit=False).frame
    assert found["cooks"].isna().sum() == 1 and np.isnan(found.loc["335", "objective"])


def test_columns_far_from_zero():
    """Slopes over calendar years are held in other columns inside."""
    rows = oracles.dataset("sleepstudy").assign(year=lambda d: d["Days"] + 2000)
    formula = "Reaction ~ year + (year | Subject)"
    model = mm.lmm(formula, rows)
    found = model.delete_levels("Subject")
    alone = mm.lmm(formula, rows[rows["Subject"].astype(str) != "309"])
    assert found.frame.loc["309", "objective"] == pytest.approx(alone.objective, abs=1e-5)
    assert found.params.loc["309", "year"] == pytest.approx(alone.params["year"], rel=1e-6)


def test_shrinkage_of_one_factor(fitted):
    """A balanced design draws every mean by the same share of its distance from all."""
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")
    means = oracles.dataset("Dyestuff").groupby("Batch", observed=True)["Yield"].mean()
    found = model.shrinkage()["Batch"]
    share = 1 / (1 + 5 * model.theta[0] ** 2)
    np.testing.assert_allclose(found["Intercept"], share * (means - means.mean()), rtol=1e-5)
    np.testing.assert_allclose(found["norm"], found["Intercept"].abs())


@pytest.mark.parametrize("shift", [0, 2000])
def test_shrinkage_of_slopes(shift):
    """Without shrinkage, each subject has the line that its own data give."""
    rows = oracles.dataset("sleepstudy").assign(x=lambda d: d["Days"] + shift)
    model = mm.lmm("Reaction ~ x + (x | Subject)", rows)
    theta = model.theta.copy()
    found = model.shrinkage()["Subject"]
    np.testing.assert_array_equal(model.theta, theta)
    one = rows[rows["Subject"].astype(str) == "335"]
    slope, _ = np.polyfit(one["Days"], one["Reaction"], 1)
    drawn = model.params["x"] + model.ranef()["Subject"].loc["335", "x"]
    assert found.loc["335", "x"] == pytest.approx(slope - drawn, rel=1e-4)
    level = found.loc["335", ["Intercept", "x"]].to_numpy(dtype=float)
    assert found.loc["335", "norm"] == pytest.approx(np.linalg.norm(level))


def test_mistakes(fitted):
    model = fitted(SLEEP, "sleepstudy")
    with pytest.raises(mm.OptionError, match="no grouping factor; did you mean 'Subject'"):
        model.delete_levels("subject")
    rows = oracles.dataset("cbpp")
    model = mm.glmm(
        "incidence / size ~ 1 + (1 | herd)", rows, "binomial", weights="size", fast=True
    )
    for ask in (model.delete_levels, model.influence, model.cooks_distance, model.shrinkage):
        with pytest.raises(mm.OptionError, match="for linear models"):
            ask()
    with pytest.raises(mm.NotFittedError):
        mm.influence(mm.LinearMixedModel(SLEEP, oracles.dataset("sleepstudy")))
