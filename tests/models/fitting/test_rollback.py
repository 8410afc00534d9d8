"""What fails leaves a model as it was."""

import warnings

import numpy as np
import pytest

import numbamm as mm
from numbamm.models.fitting.rollback import all_or_nothing

RNG = np.random.default_rng(5)
DATA = {
    "y": RNG.normal(size=60) + 2.0,
    "n": RNG.poisson(2.0, 60) * 1.0,
    "x": 1990 + RNG.normal(size=60),
    "g": np.repeat(list("abcdefghijkl"), 5),
}
MODELS = {
    "linear": lambda: mm.lmm("y ~ 1 + (1 + x | g)", DATA),
    "REML": lambda: mm.LinearMixedModel("y ~ x + (1 | g)", DATA, reml=True),
    "poisson": lambda: mm.glmm("n ~ 1 + (1 | g)", DATA, "poisson", fast=True),
    "unfitted": lambda: mm.GeneralizedLinearMixedModel("n ~ x + (1 | g)", DATA, "poisson"),
}


def state(model):
    """What a user can see of a model."""
    seen = [model.is_fitted, model.theta.tolist(), model.frame.y.tolist(), repr(model)]
    x = model.optsum.initial if model.optsum.final is None else model.optsum.final
    return [*seen, repr(model.optsum), model.optsum.fmin, model.objective_at(x)]


@pytest.fixture(params=MODELS)
def model(request):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MODELS[request.param]()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_refit_that_fails_at_its_end(model, error):
    """Response, options, θ and estimates have all been replaced by then."""
    before = state(model)
    with pytest.raises(error), all_or_nothing(model):
        model.refit(DATA["n"][::-1] + 1.0, optimizer="nlopt:LN_SBPLX")
        assert state(model) != before
        raise error
    assert state(model) == before


def test_what_succeeds_stays(model):
    with all_or_nothing(model):
        model.refit(DATA["n"][::-1] + 1.0)
    assert model.is_fitted and model.frame.y[0] == DATA["n"][-1] + 1.0
