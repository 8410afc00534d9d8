"""Predictions of ordinal models."""

import numpy as np
import pandas as pd
import pytest
from ordinal_models import simulated
from scipy.special import expit, logit

import numbamm as mm


@pytest.fixture(scope="module")
def model():
    formula = "y ~ x + `odd name` + (1 | g)"
    return mm.clmm(formula, simulated(200, 7), nominal="~ I(w - 1)", scale="~ `odd name`")


def test_types_agree_with_each_other(model):
    p, cumulative = model.predict(), model.predict(type="cumulative")
    pd.testing.assert_frame_equal(p, model.predict(type="prob"))
    np.testing.assert_allclose(p.cumsum(axis=1).iloc[:, :-1], cumulative, atol=1e-12)
    assert list(cumulative.columns) == list(model.thresholds.index)
    most = model.predict(type="class")
    assert (most.astype(str) == p.idxmax(axis=1)).all() and most.cat.ordered
    eta = model.predict(type="link")
    alpha = (
        model.params["low|mid"] + (simulated(200, 7)["w"] - 1) * model.params["low|mid.I(w - 1)"]
    )
    s = np.exp(model.params["scale.odd name[T.b]"] * (simulated(200, 7)["odd name"] == "b"))
    np.testing.assert_allclose(expit((alpha - eta) / s), p["low"], rtol=1e-9)


def test_new_rows_have_the_predictions_of_the_fits_rows(model):
    data = simulated(200, 7).iloc[[3, 40, 77]]
    for options in ({}, {"type": "cumulative"}, {"type": "link"}, {"se": True}, {"random": False}):
        whole = model.predict(**options).loc[data.index]
        np.testing.assert_allclose(model.predict(data, **options), whole, rtol=1e-6)
    missing = data.assign(x=[np.nan, 1.0, 2.0])
    assert model.predict(missing).isna().all(axis=1).tolist() == [True, False, False]
    with pytest.raises(mm.DataError, match="'w'"):
        model.predict(data.drop(columns="w"))
    model.predict(data.drop(columns="w"), type="link")  # which needs no other part


def test_standard_errors_at_zero_are_those_of_the_delta_method(model):
    got = model.predict(random=False, se=True, interval="confidence", alpha=0.1)
    psi, cov = model.coefficients.copy(), model.coefficient_covariance

    def probabilities(psi):
        from numbamm.inference.categories.category_rows import CategoryRows
        from numbamm.inference.prediction.model_rows import ModelRows

        none = [np.zeros(term.p, dtype=bool) for term in model.reterms]
        return CategoryRows(model, ModelRows.of_fit(model), none, model.b, psi).probabilities()

    h = 1e-6
    slopes = [
        (probabilities(psi + e) - probabilities(psi - e)) / (2 * h) for e in h * np.eye(len(psi))
    ]
    se = np.sqrt(np.einsum("jnk,jl,lnk->nk", slopes, cov, slopes))
    np.testing.assert_allclose(got["se"], se, rtol=1e-4)
    p, half = got["prediction"], 1.6448536269514722
    upper = expit(logit(p) + half * got["se"] / (p * (1 - p)))
    np.testing.assert_allclose(got["upper"], upper)
    assert (got["lower"] < p).to_numpy().all()


def test_a_new_level_is_less_certain(model):
    row = simulated(200, 7).iloc[[5]]
    known = model.predict(row, se=True, type="link")["se"].iloc[0]
    with pytest.warns(mm.NumbammWarning, match="not in the fit"):
        new = model.predict(row.assign(g=99), se=True, type="link")["se"].iloc[0]
    sd = float(model.varcorr["g"].sd[0])
    zero = model.predict(row, random=False, se=True, type="link")["se"].iloc[0]
    assert new > known and new >= sd
    assert new == pytest.approx(np.hypot(zero, sd), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"type": "zprob"}, "prob, class, cumulative, link"),
        ({"interval": "prediction"}, "has no interval"),
        ({"type": "class", "se": True}, "no standard error"),
    ],
)
def test_what_categories_do_not_have_is_refused(model, options, problem):
    with pytest.raises(mm.OptionError, match=problem):
        model.predict(**options)
