"""Leverage, Cook's distance, and the deletion of levels."""

import pickle

import matplotlib.pyplot as plt
import numpy as np
import oracles
import pandas as pd
import pytest
from drawn import offsets
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.glm.link import LINKS

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


@pytest.mark.parametrize("family", ["binomial", "gamma"])
def test_rows_of_generalized_models(generalized, family):
    """Cook's distance is how far the working model's solution moves without the row's share."""
    model = generalized(family)
    found, mu, w, n = model.influence(), model.estimates.fitted, model.frame.weights, model.nobs
    slope = LINKS[model.link].slope(model.estimates.eta)
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


def test_before_a_fit():
    with pytest.raises(mm.NotFittedError):
        mm.influence(mm.LinearMixedModel(SLEEP, oracles.dataset("sleepstudy")))


def test_the_frame_of_influence_draws_itself_and_is_pandas_otherwise(sleep):
    frame = sleep.influence()
    assert_allclose(offsets(frame.plot()), frame[["leverage", "studentized"]])
    _, ax = plt.subplots()
    assert frame.plot(ax=ax) is ax
    assert frame.plot.scatter("fitted", "resid").get_xlabel() == "fitted"
    assert len(frame.plot(y="cooks").get_lines()) == 1
    assert type(frame.head()) is type(frame * 2) is pd.DataFrame
    again = pickle.loads(pickle.dumps(frame))
    assert (again == frame).all(axis=None)
