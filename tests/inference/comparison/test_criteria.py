"""`information_criteria` of linear models and of families."""

import numpy as np
import oracles
import pytest

import numbamm as mm

FIXED = "Reaction ~ 1 + Days + "
INTERCEPT = FIXED + "(1 | Subject)"
ZEROCORR = FIXED + "zerocorr(1 + Days | Subject)"
FULL = FIXED + "(Days | Subject)"


def test_information_criteria(fitted):
    models = [fitted(formula, "sleepstudy") for formula in (INTERCEPT, ZEROCORR, FULL)]
    frame = mm.information_criteria(*models).to_frame()
    assert frame.index.tolist() == ["m1", "m2", "m0"]
    for name, model in zip(["m0", "m1", "m2"], models, strict=True):
        for criterion in ("aic", "aicc", "bic", "llf"):
            assert frame.loc[name, criterion] == pytest.approx(getattr(model, criterion), rel=1e-12)
    assert frame["weight"].sum() == pytest.approx(1)
    ratio = frame.loc["m2", "weight"] / frame.loc["m1", "weight"]
    assert ratio == pytest.approx(np.exp((models[1].aic - models[2].aic) / 2))


def test_information_criteria_of_other_families(counts, fitted):
    """Probabilities with probabilities, and densities with densities."""
    models = counts.poisson, counts.nb, counts.lognormal
    frame = mm.information_criteria(*models).to_frame()
    for name, model in zip(["m0", "m1", "m2"], models, strict=True):
        assert frame.loc[name, "aic"] == pytest.approx(model.aic)
        assert frame.loc[name, "bic"] == pytest.approx(model.bic)
    rows = oracles.dataset("sleepstudy")
    models = [fitted(INTERCEPT, "sleepstudy")]
    models += [mm.glmm(INTERCEPT, rows, *kind) for kind in (("gamma", "log"), ("gaussian", "log"))]
    result = mm.information_criteria(*models)
    assert len(result.frame) == 3 and "m1: " in repr(result) and ", gamma, log" in repr(result)
    logs = mm.lmm("log(Reaction) ~ Days + (1 | Subject)", rows)
    with pytest.raises(mm.DataError, match="different responses"):
        mm.information_criteria(logs, models[1])
    with pytest.raises(mm.OptionError, match="REML and another by maximum likelihood"):
        mm.information_criteria(fitted(INTERCEPT, "sleepstudy", reml=True), models[1])
    other = mm.glmm(INTERCEPT, rows, "gamma", "log", information="expected")
    with pytest.raises(mm.OptionError, match="by the expected information and by the observed"):
        mm.information_criteria(*models, other)


def test_the_gaussian_family_is_a_linear_model(fitted):
    rows = oracles.dataset("sleepstudy")
    small = fitted(INTERCEPT, "sleepstudy")
    line = mm.lrtest(small, mm.glmm(FULL, rows, "gaussian")).frame.loc["m1"]
    expected = mm.lrtest(small, fitted(FULL, "sleepstudy")).frame.loc["m1"]
    np.testing.assert_allclose(line, expected, rtol=1e-5)
