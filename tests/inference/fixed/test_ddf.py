"""The methods for degrees of freedom: found by name, and computed once a fit."""

import numpy as np
import oracles
import pytest

import numbamm as mm


def test_method_is_kept_until_the_next_fit():
    model = mm.lmm("Yield ~ 1 + (1 | Batch)", oracles.dataset("Dyestuff"), reml=True)
    first = model.coef_table(ddf="kr").to_frame()["df"].iloc[0]
    model.refit(model.frame.y[::-1].copy())
    assert model.coef_table(ddf="kr").to_frame()["estimate"].iloc[0] == pytest.approx(model.beta[0])
    assert first == pytest.approx(5)


def test_which_models_have_which_method(fitted):
    with pytest.raises(mm.OptionError, match=r"for fits by REML: refit\(reml=True\)"):
        fitted("Reaction ~ Days + (Days | Subject)", "sleepstudy").coef_table(ddf="kenward-roger")
    with pytest.raises(mm.NotFittedError):
        mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", oracles.dataset("Dyestuff")).coef_table()
    rows = oracles.dataset("cbpp")
    model = mm.glmm("incidence / size ~ period + (1 | herd)", rows, "binomial", weights="size")
    assert np.isinf(model.coef_table().to_frame()["df"]).all()
    with pytest.raises(mm.OptionError, match="for linear models"):
        model.coef_table(ddf="satterthwaite")
