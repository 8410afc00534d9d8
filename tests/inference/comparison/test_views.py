"""`fit_of`: which models can be compared at all."""

import oracles
import pytest

import numbamm as mm

INTERCEPT = "Reaction ~ 1 + Days + (1 | Subject)"
FULL = "Reaction ~ 1 + Days + (Days | Subject)"


def test_unfitted_and_foreign_models_are_refused(fitted):
    full = fitted(FULL, "sleepstudy")
    with pytest.raises(mm.NotFittedError):
        mm.lrtest(full, mm.LinearMixedModel(INTERCEPT, oracles.dataset("sleepstudy")))
    with pytest.raises(mm.OptionError, match="without random effects, not 3"):
        mm.lrtest(full, 3)
    with pytest.raises(mm.OptionError, match="two models"):
        mm.lrtest(full)
