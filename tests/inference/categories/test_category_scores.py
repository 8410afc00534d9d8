"""Scores of ordered categories that a fit leaves out, and fits without rows and levels."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose
from ordinal_models import simulated
from scipy.special import expit

import numbamm as mm

FORMULA = "y ~ x + `odd name` + (1 | g)"


@cache
def data():
    return simulated(160, 7)


@cache
def model():
    return mm.clmm(FORMULA, data())


def test_a_fit_without_rows_is_that_of_the_other_rows():
    rows = np.arange(40)
    twin = model().without_rows(rows)
    twin.refit(**model().fit_options)
    other = mm.clmm(FORMULA, data().iloc[40:])
    assert twin.objective == pytest.approx(other.objective, abs=1e-6)
    assert_allclose(twin.params, other.params, rtol=1e-4, atol=1e-3 * other.bse.min())
    assert_allclose(twin.bse, other.bse, rtol=1e-3)
    assert model().nobs == 160 and model().is_fitted


def test_scores_are_those_of_the_other_rows_fit():
    cv = model().cross_validate(k=4, seed=2)
    table = cv.predictions
    rows = (table["fold"] == 1).to_numpy()
    other = mm.clmm(FORMULA, data()[~rows])
    p = other.predict(data()[rows]).to_numpy()
    codes = data()["y"].cat.codes.to_numpy()[rows]
    log_score = np.log(p[np.arange(len(p)), codes])
    # the predictive probabilities count the errors of the linear predictor, too
    assert_allclose(table["log_score"][rows], log_score, atol=0.2)
    assert table["log_score"][rows].mean() == pytest.approx(log_score.mean(), abs=0.03)
    reached = np.arange(3) >= codes[:, None]
    rps = ((np.cumsum(p, axis=1)[:, :-1] - reached) ** 2).sum(axis=1)
    assert table["rps"][rows].mean() == pytest.approx(rps.mean(), abs=0.03)
    same = (table["predicted"] == table["observed"]).mean()
    assert cv.frame.loc["all", "accuracy"] == pytest.approx(same)
    assert "rmse" not in cv.frame and "parts of rows" in cv.title
    worse = mm.clmm("y ~ 1 + (1 | g)", data()).cross_validate(k=4, seed=2)
    assert worse.frame.loc["all", "log_score"] < cv.frame.loc["all", "log_score"]


def test_folds_without_a_category_fail_in_words():
    d = data().copy()
    d["y"] = d["y"].cat.add_categories("never seen before")
    d.loc[d.index[3], "y"] = "never seen before"
    cv = mm.clmm(FORMULA, d).cross_validate(k=3, seed=0)
    assert "none in category never seen before" in str(cv)


def test_levels_are_left_out_in_turn():
    deletion = model().delete_levels("g")
    other = mm.clmm(FORMULA, data()[data()["g"] != 3])
    assert_allclose(deletion.params.loc[3], other.params, rtol=1e-4, atol=1e-3 * other.bse.min())
    assert list(deletion.params) == model().kept_coefficients
    with pytest.raises(mm.OptionError, match="refit=True"):
        model().delete_levels("g", refit=False)


def test_the_score_sandwich_by_hand():
    """Scores of clusters by differences of their likelihoods, integrated on a fixed grid."""
    d = data().assign(z=(data()["x"] - 1000) / 50)
    fitted = mm.clmm("y ~ z + (1 | g)", d, nagq=15)
    x, codes, g = fitted.optsum.final, d["y"].cat.codes.to_numpy(), d["g"].to_numpy()
    nodes, weights = np.polynomial.hermite_e.hermegauss(121)

    def contributions(at):
        alpha = np.r_[-np.inf, at[:3], np.inf]
        eta = at[3] * d["z"].to_numpy()[:, None] + at[4] * nodes
        p = expit(alpha[codes + 1][:, None] - eta) - expit(alpha[codes][:, None] - eta)
        logs = np.log(p)
        of_g = np.array([logs[g == level].sum(axis=0) for level in np.unique(g)])
        return np.log(np.exp(of_g) @ (weights / weights.sum()))

    h = 1e-5 * np.eye(len(x))
    scores = np.array([(contributions(x + e) - contributions(x - e)) / 2e-5 for e in h]).T

    def gradient(at):
        return np.array(
            [(contributions(at + e).sum() - contributions(at - e).sum()) / 2e-5 for e in h]
        )

    H = np.array([(gradient(x + e) - gradient(x - e)) / 2e-4 for e in 1e-4 * np.eye(len(x))])
    bread = np.linalg.inv(-(H + H.T) / 2)
    wanted = (bread @ scores.T @ scores @ bread)[:4, :4]
    found = fitted.cov_params(robust="CR0").to_numpy()
    assert_allclose(found, wanted, rtol=2e-3, atol=2e-3 * np.abs(wanted).max())
    table = fitted.coef_table(robust="CR0").frame
    assert_allclose(table["se"], np.sqrt(np.diag(found)))
    slope = fitted.contrast({"z": 1}, robust="CR0").frame["se"].iloc[0]
    assert slope == pytest.approx(table["se"]["z"])
    with pytest.raises(mm.OptionError, match="CR0"):
        fitted.coef_table(robust="CR2")


def test_power_is_of_the_location():
    power = model().power(n=5, seed=1)
    assert power.frame.index.to_list() == model().location_names
    assert_allclose(power.frame["value"], model().params[model().location_names])
    assert model().power("low|mid", n=3, seed=1).frame["value"].iloc[0] == pytest.approx(
        model().params["low|mid"]
    )


def test_models_without_random_effects():
    plain = mm.clmm("y ~ x + `odd name`", data())
    cv = plain.cross_validate(k=4, seed=2)
    assert np.isfinite(cv.frame["rps"]).all()
    assert plain.leverage().between(0, 1).all()
    robust = plain.coef_table(robust="CR0", cluster=data()["g"]).frame
    assert_allclose(robust["se"], plain.bse, rtol=0.8)
    with pytest.raises(mm.OptionError, match="cluster must be given"):
        plain.coef_table(robust="CR0")


@pytest.mark.parametrize("link", ["probit", "cloglog", "loglog", "cauchit"])
def test_every_link_and_two_categories(link):
    d = data().assign(y=data()["y"].cat.codes > 1)
    cv = mm.clmm(FORMULA, d, link).cross_validate(k=3, seed=0)
    # of two categories the ranked probability score is Brier's
    assert cv.frame.loc["all", "rps"] < 0.25 and "failed" not in str(cv)
