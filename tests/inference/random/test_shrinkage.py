"""`shrinkage`: against estimates of each level by itself."""

import warnings

import numpy as np
import oracles
import pytest

import numbamm as mm
from numbamm.models.working_model import working_model


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


def test_shrinkage_of_a_generalized_model():
    """Drawn from the means of each herd's working responses; also herds without a case."""
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, oracles.dataset("cbpp"), "binomial")
    found, [term], mu = model.shrinkage()["herd"], model.reterms, model.estimates.fitted
    weights = model.frame.weights * mu * (1 - mu)
    working = model.estimates.eta + (model.frame.y - mu) / (mu * (1 - mu))
    columns = np.column_stack([model.frame.X, np.eye(term.nlevels)[term.refs][:, 1:]])
    solved = np.linalg.lstsq(np.sqrt(weights)[:, None] * columns, np.sqrt(weights) * working)[0]
    alone = np.append(0.0, solved[4:])
    drawn = alone - alone.mean() - model.b[0][:, 0]
    np.testing.assert_allclose(found["Intercept"], drawn, atol=1e-5)
    np.testing.assert_allclose(found["norm"], abs(drawn), atol=1e-5)


@pytest.mark.parametrize("limit", [800.0, -800.0])
def test_rows_at_a_limit_say_nothing_of_random_effects(limit):
    """Their working weights are zero, and their working responses infinite."""
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, oracles.dataset("cbpp"), "binomial")
    eta = model.estimates.eta.copy()
    eta[::9] = limit
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        working = working_model(model, eta, model.estimates.shape)
    weights = working.frame.weights
    assert (weights > 0).all() and np.isfinite(working.frame.y).all()
    assert weights[::9].max() < 1e-20 * weights[1] and working.frame.y[9] == limit
    with pytest.raises(mm.FitError, match="all fitted means are at a limit"):
        working_model(model, np.full(len(eta), limit), model.estimates.shape)


SLEEP = "Reaction ~ Days + (Days | Subject)"
