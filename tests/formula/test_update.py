"""Changes of formulas: `updated`, and the models that `update` makes of them."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbamm as mm
from numbamm.formula.update import updated

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.mark.parametrize(
    ("old", "change", "new"),
    [
        ("y ~ 1 + x + (1 | g)", "~ . - x", "y ~ 1 + (1 | g)"),
        ("y ~ x*z + (1|g)", "~ . - x:z", "y ~ x*z + (1|g) - x:z"),
        ("y ~ x + (1|g) + (1 | h)", "~ . - ( 1|h ) + w", "y ~ x + (1|g) + w"),
        ("y ~ x + (1 | g)", "log(.) ~ . - 1", "log(y) ~ x + (1 | g) - 1"),
        ("y ~ x + (1 | g)", "I(. + 1) ~ .", "I(y + 1) ~ x + (1 | g)"),
        ("y ~ x + (1 | g)", ". / 10 ~ .", "y / 10 ~ x + (1 | g)"),
        (
            "cbind(a, b) ~ x + (1 | g)",
            "~ . + (0 + x | g)",
            "cbind(a, b) ~ x + (1 | g) + (0 + x | g)",
        ),
        ("y ~ x + offset(log(n)) + (1 | g)", "~ . - offset(log(n))", "y ~ x + (1 | g)"),
        ("y ~ I(x - 1) + (1 | g)", "~ . - I(x-1)", "y ~ (1 | g)"),
        ("y ~ `a - b` + diag(1 + x | g)", "~ . - `a - b` - diag(1+x|g) + (1 | g)", "y ~ (1 | g)"),
        ("y ~ x + (1 | g)", "z ~ w + (1 | h)", "z ~ w + (1 | h)"),
        ("pain.index ~ x.y + (1 | g.h)", "~ . - x.y", "pain.index ~ (1 | g.h)"),
        ("y ~ (1 | g)", ". ~ x + .", "y ~ x + (1 | g)"),
        ("y ~ x - 1 + (1 | g)", "~ . + z", "y ~ x - 1 + (1 | g) + z"),
    ],
)
def test_changes(old, change, new):
    assert updated(old, change) == new


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("~ . - z", r"has no term 'z' to leave out: there are x, \(1 \| g\)"),
        ("~ . - (1 | k)", r"has no term '\(1 \| k\)'"),
        ("~ . - (x | g)", r"has no term '\(x \| g\)'"),
        ("~ . - offset(n)", "has no term"),
        ("~ . * z", "stands for the whole right-hand side"),
        ("~ . : z", "stands for the whole right-hand side"),
        ("~ - .", "leaves out all"),
        (". + z", "needs one '~'"),
        (3, "must be a string"),
        ("~ . - (x", "never closed"),
    ],
)
def test_changes_that_cannot_be(change, message):
    with pytest.raises(mm.FormulaError, match=message):
        updated("y ~ x + (1 | g)", change)


TERMS = ["a", "b", "log(c)", "a:b", "`odd + name`", "(1 | g)", "(0 + a | h)", "diag(1 + b | k)"]


@given(st.lists(st.sampled_from(TERMS), min_size=2, unique=True), st.data())
def test_leaving_out_undoes_adding(terms, data):
    formula = "y ~ " + " + ".join(terms)
    assert updated(formula, "~ .") == formula
    term = data.draw(st.sampled_from(terms))
    without = updated(formula, f"~ . - {term}")
    assert set(without.removeprefix("y ~ ").split(" + ")) <= set(formula[4:].split(" + "))
    added = updated(without, f"~ . + {term}")
    assert updated(added, f"~ . - {term}") == without


def test_models(fitted):
    model = fitted(SLEEP, "sleepstudy", reml=True)
    small = model.update("~ . - (1 + Days | Subject) + (1 | Subject)")
    expected = fitted("Reaction ~ 1 + Days + (1 | Subject)", "sleepstudy", reml=True)
    assert small.objective == expected.objective and small.estimates.reml
    assert model.update(reml=False).objective == fitted(SLEEP, "sleepstudy").objective
    assert model.formula == SLEEP and model.estimates.reml  # left as it is
    with pytest.raises(mm.OptionError, match="write reml=True"):
        model.update("~ .", REML=True)
    data = mm.datasets.load("sleepstudy").query("Days < 8")
    assert model.update(data=data).nobs == len(data)
    assert not model.update("~ . - Days", fit=False).is_fitted
    unfitted = mm.LinearMixedModel(SLEEP, data)
    assert not unfitted.update("~ .").is_fitted and unfitted.update("~ .", fit=True).is_fitted


def test_generalized_models_and_their_options():
    cbpp = mm.datasets.load("cbpp").assign(w=1.0)
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, cbpp, "binomial", "probit", fast=True, weights="w")
    model.optsum.ftol_abs = 1e-6
    small = model.update("~ . - period")
    assert (small.family, small.link, small.is_fast) == ("binomial", "probit", True)
    assert small.optsum.ftol_abs == 1e-6
    direct = mm.glmm(
        "cbind(incidence, size - incidence) ~ 1 + (1 | herd)",
        cbpp,
        "binomial",
        "probit",
        fast=True,
        weights="w",
    )
    assert small.objective == pytest.approx(direct.objective, abs=1e-4)
    assert model.update(link="cloglog").link == "cloglog"
    counts = mm.GeneralizedLinearMixedModel("incidence ~ period + (1 | herd)", cbpp, "poisson")
    assert counts.update(family="negativebinomial").family == "negativebinomial"


def test_functions_of_the_caller_and_weights():
    def halved(x):
        return x / 2

    rng = np.random.default_rng(3)
    rows = {"x": rng.standard_normal(60), "g": np.repeat(np.arange(10), 6)}
    rows["y"] = rows["x"] + rng.standard_normal(60)
    weights = rng.uniform(1, 2, 60)
    model = mm.lmm("y ~ 1 + (1 | g)", rows, weights=weights)
    changed = model.update("~ . + halved(x)")
    direct = mm.lmm("y ~ 1 + halved(x) + (1 | g)", rows, weights=weights)
    assert changed.objective == pytest.approx(direct.objective)


def test_a_model_without_its_data(fitted):
    model = fitted(SLEEP, "sleepstudy")
    again = pickle.loads(pickle.dumps(model))
    with pytest.raises(mm.DataError, match="does not know its data"):
        again.update("~ . - Days")
    data = mm.datasets.load("sleepstudy")
    assert again.update("~ . - Days", data=data).formula == "Reaction ~ 1 + (1 + Days | Subject)"
    assert len(pickle.dumps(model)) < 1.2 * len(pickle.dumps(again))
