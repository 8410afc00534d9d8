"""`tidy` and `glance`: a fit as frames."""

import numpy as np
import oracles
import pandas as pd
import pytest

import numbamm as mm

SLEEP = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture
def sleep(fitted):
    return fitted(SLEEP, "sleepstudy", reml=True)


@pytest.fixture(scope="module")
def cbpp():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return mm.glmm(formula, oracles.dataset("cbpp"), "binomial", fast=True)


def test_tidy(sleep):
    frame = mm.tidy(sleep, ddf="satterthwaite")
    assert frame.columns.tolist() == [
        "effect", "group", "term", "estimate", "se", "df", "statistic", "pvalue", "lower", "upper",
    ]  # fmt: skip
    fixed = frame[frame["effect"] == "fixed"].set_index("term")
    np.testing.assert_allclose(fixed["estimate"], sleep.params)
    np.testing.assert_allclose(fixed["df"], 17, atol=1e-2)
    random = frame[frame["effect"] == "random"].set_index(["group", "term"])["estimate"]
    assert random["Subject", "sd Days"] == sleep.varcorr["Subject"].sd[1]
    assert random["Subject", "corr Intercept Days"] == sleep.varcorr["Subject"].corr[1, 0]
    assert random["Residual", "sd Observation"] == sleep.sigma
    assert sleep.tidy("fixed")["effect"].unique().tolist() == ["fixed"]
    with pytest.raises(mm.OptionError, match="effects must be one of fixed, parts, random"):
        sleep.tidy("conditional")


def test_glance(sleep, cbpp):
    line = sleep.glance().iloc[0]
    for name in ("nobs", "llf", "objective", "aic", "aicc", "bic", "df_resid", "sigma"):
        assert line[name] == getattr(sleep, name)
    assert line["npar"] == 6 and line["reml"] and not line["singular"]
    both = pd.concat([sleep.glance(), cbpp.glance()], ignore_index=True)
    assert both["nobs"].tolist() == [180, 56]
