"""`drop1`: each term of the fixed effects dropped, as in lme4."""

import numpy as np
import oracles
import pytest

import numbamm as mm

SLEEP = "Reaction ~ Days + (Days | Subject)", "sleepstudy"
CAKE = "angle ~ recipe * temperature + (1 | recipe:replicate)"


def test_drop1_respects_marginality(fitted):
    found = fitted(CAKE, "cake").drop1().to_frame()
    oracle = oracles.inference("drop1_cake")
    assert found.index.tolist() == oracle.index.tolist()
    np.testing.assert_allclose(found["aic"], oracle["AIC"], atol=1e-5)
    line = oracle.loc["recipe:temperature"]
    assert found["chisq"].iloc[1] == pytest.approx(line["LRT"], abs=1e-5)
    assert found["df"].iloc[1] == line["npar"]
    assert found["pvalue"].iloc[1] == pytest.approx(line["Pr(Chi)"], rel=1e-5)


def test_drop1_codes_the_rest_anew(fitted):
    """Without recipe, `0 + recipe + temperature` is `0 + temperature`: a mean a temperature."""
    model = fitted("angle ~ 0 + recipe + temperature + (1 | recipe:replicate)", "cake")
    smaller = fitted("angle ~ 0 + temperature + (1 | recipe:replicate)", "cake")
    found = model.drop1().to_frame()
    assert found.loc["recipe", "objective"] == pytest.approx(smaller.objective, abs=1e-6)
    assert found.loc["recipe", "npar"] == smaller.n_parameters


def test_drop1_holds_sigma_as_the_fit_did():
    model = mm.lmm("Reaction ~ Days + (1 | Subject)", mm.datasets.load("sleepstudy"), sigma=30)
    expected = model.drop1().to_frame()
    model.optsum.sigma = None  # which is of the next fit
    np.testing.assert_array_equal(model.drop1().to_frame(), expected)


def test_drop1_of_generalized_models():
    rows = oracles.dataset("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, rows, "binomial")
    oracle = oracles.inference("lrt_cbpp_period")
    line = model.drop1().to_frame().loc["period"]
    assert line["chisq"] == pytest.approx(oracle["Chisq"].iloc[1], abs=1e-3)
    assert line["llf"] == pytest.approx(oracle["logLik"].iloc[0], abs=1e-4)


def test_mistakes_of_drop1(fitted):
    with pytest.raises(mm.OptionError, match="no terms to drop"):
        fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff").drop1()
    with pytest.raises(mm.OptionError, match=r"REML fits with different.*refit\(reml=False\)"):
        fitted(*SLEEP, reml=True).drop1()
