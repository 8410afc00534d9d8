"""Leverage, Cook's distance, and the deletion of levels."""

import warnings
from functools import cache

import numpy as np
import oracles
import pytest

import numbamm as mm
from numbamm.glm import link as links
from numbamm.inference.random.shrinkage import _working_model

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


def test_a_row_with_a_coefficient_of_its_own():
    rows = oracles.dataset("sleepstudy").assign(one=(np.arange(180) == 3).astype(float))
    found = mm.lmm("Reaction ~ Days + one + (1 | Subject)", rows).influence()
    assert found["leverage"][3] == pytest.approx(1)
    assert np.flatnonzero(found["cooks"].isna()).tolist() == [3]


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


@cache
def generalized(family, without=None):
    """A model of each kind, maybe without a herd or subject; the Bernoulli one is a fast fit."""
    rows = oracles.dataset("sleepstudy" if family == "gamma" else "cbpp")
    rows = rows.assign(w=np.linspace(0.5, 2, len(rows)))
    if without is not None:
        rows = rows[rows["Subject" if family == "gamma" else "herd"] != without]
    if family == "gamma":
        return mm.glmm(SLEEP, rows, family, "log", weights="w")
    if family == "bernoulli":
        return mm.glmm("I(incidence > 0) ~ size + (1 | herd)", rows, family, fast=True)
    if family == "negativebinomial":
        return mm.glmm("incidence ~ period + offset(log(size)) + (1 | herd)", rows, family)
    return mm.glmm("cbind(incidence, size - incidence) ~ period + (1 | herd)", rows, family)


@pytest.mark.parametrize("family", ["binomial", "gamma"])
def test_rows_of_generalized_models(family):
    """Cook's distance is how far the working model's solution moves without the row's share."""
    model = generalized(family)
    found, mu, w, n = model.influence(), model.estimates.fitted, model.frame.weights, model.nobs
    slope = links.slope(links.NAMES[model.link], model.estimates.eta)
    root = np.sqrt(w / (mu * (1 - mu) if family == "binomial" else mu**2))
    np.testing.assert_allclose(found["pearson"], root * (model.frame.y - mu))
    np.testing.assert_array_equal(found["deviance"], model.residuals("deviance"))
    [term] = model.reterms
    ZL = np.zeros((n, term.nlevels, term.p))
    ZL[np.arange(n), term.refs] = term.z.T @ term.lambda_
    rows = (root * slope)[:, None] * np.column_stack([ZL.reshape(n, -1), model.frame.X])
    penalty = np.eye(term.nranef, rows.shape[1])
    M = np.vstack([rows, penalty])
    for i in (0, n // 2, n - 1):
        h = rows[i] @ np.linalg.solve(M.T @ M, rows[i])
        assert found["leverage"][i] == pytest.approx(h, rel=1e-6)
        rest = np.delete(M, i, axis=0)
        moved = M @ np.linalg.solve(rest.T @ rest, rows[i] * found["pearson"][i])
        cooks = moved @ moved / model.dispersion / model.feterm.rank
        assert found["cooks"][i] == pytest.approx(cooks, rel=1e-6)


@pytest.mark.parametrize("family", ["binomial", "bernoulli", "negativebinomial", "gamma"])
def test_levels_left_out_of_generalized_models(family):
    model, level = generalized(family), "335" if family == "gamma" else "4"
    theta, objective = model.theta.copy(), model.objective
    found, alone = model.delete_levels(), generalized(family, level)
    np.testing.assert_array_equal(model.theta, theta)
    assert model.objective_at(model.optsum.final) == pytest.approx(objective, abs=1e-8)
    line = found.frame.loc[level]
    assert line["rows"] == model.nobs - alone.nobs
    assert line["objective"] == pytest.approx(alone.objective, abs=1e-5)
    assert line["sigma"] == pytest.approx(alone.sigma, rel=1e-4)
    assert ("σ" in repr(found)) == (family == "gamma")
    np.testing.assert_allclose(found.theta.loc[level], alone.theta, atol=1e-3)
    assert (abs(found.params.loc[level] - alone.params) <= 1e-3 * alone.bse).all()
    change = model.params - alone.params
    np.testing.assert_allclose(found.dfbetas.loc[level], change / alone.bse, rtol=1e-2, atol=2e-3)
    cooks = change @ np.linalg.solve(model.cov_params(), change) / len(change)
    assert line["cooks"] == pytest.approx(cooks, rel=1e-2)
    ratio = np.linalg.det(alone.cov_params()) / np.linalg.det(model.cov_params())
    assert line["covratio"] == pytest.approx(ratio, rel=1e-2)
    if family == "negativebinomial":
        assert line["shape"] == pytest.approx(alone.shape, rel=1e-3)


@pytest.mark.parametrize("family", ["binomial", "gamma"])
def test_theta_held_of_generalized_models(family):
    """β and φ at the penalised mode of the remaining rows."""
    model, level = generalized(family), "335" if family == "gamma" else "4"
    found, alone = model.delete_levels(refit=False), generalized(family, level)
    held = alone.objective_at(model.theta)
    assert found.frame.loc[level, "objective"] == pytest.approx(held, abs=1e-8)
    np.testing.assert_array_equal(found.theta.loc[level], model.theta)
    refit = model.delete_levels()
    assert np.corrcoef(found.frame["cooks"], refit.frame["cooks"])[0, 1] > 0.95


def test_a_level_without_which_there_is_no_fit():
    """Without the only herd with cases the responses are separated."""
    rows = oracles.dataset("cbpp").assign(
        incidence=lambda d: d["incidence"].where(d["herd"] == "1", 0),
        healthy=lambda d: d["size"] - d["incidence"],
    )
    model = mm.glmm("cbind(incidence, healthy) ~ 1 + (1 | herd)", rows, "binomial")
    found = model.delete_levels("herd")
    assert "There is no fit without herd 1." in repr(found)
    assert found.frame.isna().any(axis=1).tolist() == [True] + 14 * [False]


def test_shrinkage_of_a_generalized_model():
    """Drawn from the means of each herd's working responses; also herds without a case."""
    model = generalized("binomial")
    found, [term], mu = model.shrinkage()["herd"], model.reterms, model.estimates.fitted
    weights = model.frame.weights * mu * (1 - mu)
    working = model.estimates.eta + (model.frame.y - mu) / (mu * (1 - mu))
    columns = np.column_stack([model.frame.X, np.eye(term.nlevels)[term.refs][:, 1:]])
    solved = np.linalg.lstsq(np.sqrt(weights)[:, None] * columns, np.sqrt(weights) * working)[0]
    alone = np.append(0.0, solved[4:])
    drawn = alone - alone.mean() - model.b[0][:, 0]
    np.testing.assert_allclose(found["Intercept"], drawn, atol=1e-5)
    np.testing.assert_allclose(found["norm"], abs(drawn), atol=1e-5)


def test_mistakes(fitted):
    model = fitted(SLEEP, "sleepstudy")
    with pytest.raises(mm.OptionError, match="no grouping factor; did you mean 'Subject'"):
        model.delete_levels("subject")
    with pytest.raises(mm.NotFittedError):
        mm.influence(mm.LinearMixedModel(SLEEP, oracles.dataset("sleepstudy")))


def test_an_interrupt_keeps_the_levels_that_are_done(fitted, monkeypatch):
    """The search takes an interrupt for an end; its half of a fit is no result."""
    model = fitted("Reaction ~ Days + (1 | Subject)", "sleepstudy")
    whole, fit, calls = model.delete_levels("Subject"), type(model)._fit, iter(range(20))

    def interrupted(self, *args, **options):
        fit(self, *args, **options)
        if next(calls) == 3:
            self.optsum.returnvalue = "INTERRUPTED"
        return self

    monkeypatch.setattr(type(model), "_fit", interrupted)
    part = model.delete_levels("Subject")
    assert part.to_frame().equals(whole.to_frame().iloc[:3])
    assert "Interrupted after 3 of 18 levels." in part.notes
    calls = iter([3])
    with pytest.raises(KeyboardInterrupt):
        model.drop1()


@pytest.mark.parametrize("limit", [800.0, -800.0])
def test_rows_at_a_limit_say_nothing_of_random_effects(limit):
    """Their working weights are zero, and their working responses infinite."""
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, oracles.dataset("cbpp"), "binomial")
    eta = model.estimates.eta.copy()
    eta[::9] = limit
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        working = _working_model(model, eta, model.estimates.shape)
    weights = working.frame.weights
    assert (weights > 0).all() and np.isfinite(working.frame.y).all()
    assert weights[::9].max() < 1e-20 * weights[1] and working.frame.y[9] == limit
    with pytest.raises(mm.FitError, match="all means are at a limit"):
        _working_model(model, np.full(len(eta), limit), model.estimates.shape)
