"""A generalized model before its fit: its start, and the mode that PIRLS finds."""

import copy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm

VERBAGG = "r2 ~ 1 + Anger + Gender + btype + situ + (1 | id) + (1 | item)"
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture(scope="module")
def verbagg():
    return mm.GeneralizedLinearMixedModel(VERBAGG, mm.datasets.load("VerbAgg"), "bernoulli")


def test_the_start_is_shown(verbagg):
    assert_allclose(verbagg.theta, [1.0, 1.0])
    published = [0.206053, 0.0399404, 0.231317, -0.794186, -1.53919, -0.776656]
    assert_allclose(verbagg.beta, published, rtol=1e-5)
    shown = repr(verbagg)
    assert "θ = [1.0, 1.0]" in shown and "β = [0.206053, " in shown
    assert not verbagg.is_fitted
    with pytest.raises(mm.NotFittedError):
        _ = verbagg.params
    assert "θ = " in repr(
        mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    )


def test_the_mode_at_theta_of_one(verbagg):
    """As MixedModels.jl's documentation prints β and b after `pirls!` at θ = 1."""
    mode = verbagg.pirls([1.0, 1.0])
    published = [0.218535, 0.0514385, 0.290225, -0.979124, -1.95402, -0.979493]
    assert_allclose(mode.beta, published, rtol=1e-5)
    assert mode.objective == pytest.approx(8201.848559, abs=1e-6)
    assert len(mode.path) == mode.iterations + 1
    assert mode.path[0] == pytest.approx(10209.8323, abs=1e-3)
    assert mode.path[-1] == pytest.approx(mode.objective, abs=1e-6)
    assert (np.diff(mode.path) < 1e-9).all()
    assert [b.shape for b in mode.b] == [(316, 1), (24, 1)]
    assert_allclose(
        mode.b[0][:5, 0], [-0.600772, -1.93227, -0.0601339, 0.455414, -0.0601339], rtol=1e-5
    )
    for u, b in zip(mode.u, mode.b, strict=True):
        assert_allclose(u, b)  # λ = 1
    half = verbagg.pirls([0.5, 0.5])
    assert_allclose(half.u[0] / 2, half.b[0])
    assert_allclose(verbagg.theta, [1.0, 1.0])  # the model is left as it is


def test_effects_stand_by_level(verbagg):
    frames = verbagg.pirls().ranef()
    assert set(frames) == {"id", "item"}
    text = repr(verbagg.pirls())
    assert "8201.848559" in text and "Gender[T.M]" in text and "S1WantCurse" in text
    assert "np." not in text
    fitted = copy.deepcopy(verbagg).fit(fast=True)
    pd.testing.assert_index_equal(frames["item"].index, fitted.ranef("item").index)


def test_it_leaves_as_a_table(verbagg):
    mode = verbagg.pirls()
    frame = mode.to_frame()
    assert_allclose(frame.query("effect == 'fixed'")["estimate"], mode.beta)
    effects = frame.query("group == 'item' and level == 'S1WantCurse'").set_index("term")
    assert effects["estimate"].to_dict() == mode.ranef()["item"].loc["S1WantCurse"].to_dict()
    assert "8201.848559" in mode.to_markdown() and "S1WantCurse" in mode.to_latex()
    assert "8201.848559" in mode._repr_html_() and len(mode._repr_html_()) < len(mode.to_html())


def test_at_the_estimates_it_is_the_fit():
    data = mm.datasets.load("cbpp").assign(twice=lambda d: 2.0 * (d["period"] == "2"), x=1e5)
    data["x"] += np.arange(len(data))
    formula = f"{CBPP} + twice + (0 + x | herd)"
    for terms in (CBPP, formula):
        model = mm.glmm(terms, data, "binomial", fast=True)
        mode = model.pirls()
        assert mode.objective == pytest.approx(model.objective, abs=1e-6)
        assert_allclose(mode.beta, model.beta, rtol=1e-5, atol=1e-6)
        for ours, theirs in zip(mode.b, model.b, strict=True):
            assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * np.abs(theirs).max())
        assert float(mode) == mode.objective
    assert np.isnan(mode.beta[list(model.params.index).index("twice")])


def test_beta_held():
    model = mm.GeneralizedLinearMixedModel(CBPP, mm.datasets.load("cbpp"), "binomial")
    assert_allclose(model.pirls(vary_beta=False).beta, model.beta)


def test_converged(fitted):
    assert fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy").converged
    assert fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2").converged  # singular, at a minimum
    data = mm.datasets.load("Pastes")
    model = mm.LinearMixedModel("strength ~ 1 + (1 | batch/cask)", data)
    with pytest.raises(mm.NotFittedError):
        _ = model.converged
    model.optsum.maxfeval, model.optsum.optimizer = 2, "nlopt:LN_BOBYQA"
    with pytest.warns(mm.ConvergenceWarning):
        assert not model.fit().converged
    model.optsum.maxfeval = None
    assert model.refit().converged
    assert mm.glmm(CBPP, mm.datasets.load("cbpp"), "binomial").converged
