"""Where searches begin: by us, unless the user has said; and nothing of a failed fit stays."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm.glm.pirls import pirls

SLEEP = "Reaction ~ Days + (Days | Subject)"
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
BOBYQA = "nlopt:LN_BOBYQA"


@pytest.fixture
def sleep():
    data = mm.datasets.load("sleepstudy")
    return mm.LinearMixedModel(SLEEP, data, optimizer="newton")


@pytest.fixture
def cbpp():
    data = mm.datasets.load("cbpp")
    return mm.GeneralizedLinearMixedModel(CBPP, data, "binomial", optimizer="newton")


def began(model):
    return np.array((getattr(model, "fast_optsum", None) or model.optsum).initial)


@pytest.mark.parametrize("fast", [False, True])
def test_a_start_of_the_users_counts(cbpp, fast):
    """Even where it is the usual one."""
    cbpp.optsum.initial = [1.0]
    assert began(cbpp.fit(fast=fast)) == [1.0]
    assert began(cbpp.refit(fast=fast)) == [1.0]


def test_every_fit_begins_where_a_new_model_would(cbpp, sleep):
    for model in (cbpp, sleep):
        usual, length = began(model), len(model.optsum.initial)
        by_gradient = began(model.fit())[-length:]
        assert not np.array_equal(by_gradient, usual)
        assert np.array_equal(began(model.refit(optimizer=BOBYQA)), usual)
        assert np.array_equal(began(model.refit(optimizer="newton"))[-length:], by_gradient)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_begin_anew(sleep, cbpp, again):
    for model in (sleep, cbpp):
        changed = again(model.fit())
        y = model.simulate(1)
        changed.refit(y)
        assert not np.array_equal(began(changed), began(model))
        assert changed.refit().optsum.feval == model.refit(y).optsum.feval


def test_a_failed_fit_leaves_the_start(cbpp):
    expected = copy.deepcopy(cbpp).fit().optsum.feval
    cbpp.optsum.ftol_abs = -1.0
    with pytest.raises(mm.OptionError, match="ftol_abs"):
        cbpp.fit()
    cbpp.optsum.ftol_abs = None
    assert cbpp.fit().optsum.feval == expected


def test_pirls_does_not_depend_on_fits(cbpp):
    before = cbpp.pirls([0.7], vary_beta=False).objective
    cbpp.fit()
    assert cbpp.pirls([0.7], vary_beta=False).objective == before


@pytest.mark.parametrize(
    ("option", "value"),
    [("lowerbd", [0.0, 0.0]), ("upperbd", [9.0, 9.0]), ("initial", [1.0, 1.0])],
)
def test_vectors_of_a_wrong_length_are_refused(sleep, cbpp, option, value):
    for model in (sleep, cbpp):
        setattr(model.optsum, option, value)
        with pytest.raises(mm.OptionError, match="one number for each parameter"):
            model.fit()
        with pytest.raises(mm.OptionError, match=f"{option} must have"):
            setattr(model.optsum, option, None)


def test_fast_fits_without_fixed_effects():
    """Their working weights stand where other fits do not look."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.arange(240) % 12, "x": rng.normal(size=240)})
    effects = rng.normal(size=(2, 12))[:, data["g"]]
    data["y"] = rng.poisson(np.exp(0.5 * effects[0] + 0.3 * effects[1] * data["x"]))
    formula = "y ~ 0 + (1 + x | g)"
    best = mm.glmm(formula, data, "poisson", optimizer=BOBYQA, fast=True).objective
    for initial in (None, [1.0, 0.0, 1.0], [0.9, 0.0, 0.9]):
        waste = [np.full(240, 1e250) for _ in range(50)]
        del waste  # what new arrays would hold
        model = mm.GeneralizedLinearMixedModel(formula, data, "poisson")
        if initial is not None:
            model.optsum.initial = initial
        model.fit(fast=True, optimizer="newton")
        assert model.objective == pytest.approx(best, abs=1e-6)


def test_read_only_columns_compile_nothing_more():
    """Those of pandas are; those of a new response are not."""
    rng = np.random.default_rng(2)
    y = rng.poisson(3.0, size=60).astype(float)
    y.flags.writeable = False
    model = mm.GeneralizedLinearMixedModel(
        "y ~ 1 + (1 | g)", {"y": y, "g": np.arange(60) % 6}, "poisson", optimizer="newton"
    )
    model.fit()
    before = len(pirls.signatures)
    model.refit(np.array(y))
    mm.glmm(CBPP, mm.datasets.load("cbpp"), "binomial", fast=True)
    assert len(pirls.signatures) == before == 1
