"""The numbers of one model in a table of several."""

import numpy as np
import oracles
import pytest

import numbamm as mm
from numbamm.inference.comparison.modelcolumn import ModelColumn

USUAL = {"exponentiate": False, "ddf": None, "alpha": 0.05, "r2": True}


@pytest.fixture(scope="module")
def cbpp():
    return oracles.dataset("cbpp")


def test_of_counts(cbpp):
    model = mm.glmm(
        "incidence ~ period + (1 | herd)", cbpp, "negativebinomial", offset=np.log(cbpp["size"])
    )
    column = ModelColumn.of(model, "counts", **USUAL | {"exponentiate": True})
    assert (column.heading, column.method, column.fit.nobs) == ("Rate ratio", "Wald", 56)
    np.testing.assert_allclose(column.coefficients["estimate"], np.exp(model.params))
    assert column.coefficients.index[0] == "(Intercept)"
    assert column.deviations == {"herd: SD (Intercept)": model.varcorr["herd"].sd[0]}
    assert column.statistics["Shape"] == model.shape and column.statistics["Offset"] == "yes"
    assert column.statistics["Fitted by"] == "ML (Laplace)"
    assert column.statistics["R² marginal"] == model.r2().frame["R2"]["marginal"]
    assert column.of_intercept[0].startswith("the intercept is no ratio: it is the rate")


def test_of_weights_and_dropped_columns():
    data = oracles.dataset("sleepstudy")
    data = data.assign(w=1.0 + data["Days"], twice=2 * data["Days"])
    model = mm.lmm("Reaction ~ Days + twice + (1 + Days | Subject)", data, weights="w")
    column = ModelColumn.of(model, "m", **USUAL | {"ddf": "satterthwaite"})
    assert column.method == "Satterthwaite" and column.statistics["Weights"] == "w"
    assert np.isnan(column.coefficients["estimate"]["twice"])
    assert column.notes == ["rank-deficient fixed effects, without a coefficient for twice."]
    assert column.deviations["Residual SD"] == model.sigma
    assert column.correlations == {
        "Subject: corr. (Intercept), Days": model.varcorr["Subject"].corr[1, 0]
    }


def test_of_quadrature(cbpp):
    formula = "cbind(incidence, size - incidence) ~ 1 + (1 | herd)"
    model = mm.glmm(formula, cbpp, "binomial", nagq=5)
    column = ModelColumn.of(model, "m", **USUAL | {"ddf": "satterthwaite"})  # of linear models
    assert column.statistics["Fitted by"] == "ML (5 nodes)" and column.method == "Wald"
    assert column.statistics["Response"] == "cbind(incidence, …)"
    assert "Weights" not in column.statistics  # they are the numbers of trials
    assert "ICC" not in ModelColumn.of(model, "m", **USUAL | {"r2": False}).statistics
