"""`check_convergence`: fits that have converged, and all that can be wrong with a fit."""

import re

import numpy as np
import oracles
import pandas as pd
import pytest

import numbamm as mm
from numbamm.models.spaces.linear_space import LinearSpace

SLEEP = "Reaction ~ Days + (Days | Subject)"


CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.mark.parametrize("reml", [True, False])
def test_a_linear_fit_that_has_converged(fitted, reml):
    model = fitted(SLEEP, "sleepstudy", reml=reml)
    found = model.check_convergence()
    assert found.converged and found.gain < 1e-6 and not found.singular
    g, H = model.objective_gradient(model.theta)[1], model.hessian()
    np.testing.assert_array_equal(found.gradient, g)
    assert found.gain == pytest.approx(g @ np.linalg.solve(H, g) / 2, rel=1e-3)
    size = np.sqrt(np.diag(H))
    assert found.condition == pytest.approx(np.linalg.cond(H / np.outer(size, size)), rel=1e-3)
    assert f"{model.optsum.feval}, restarts 0" in repr(found) and "Converged" in repr(found)


def test_numbers_of_convergence_are_numbers(fitted):
    """Lines of several models stand together; the table of each is in words."""
    models = [fitted(SLEEP, "sleepstudy"), fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2")]
    found = [model.check_convergence() for model in models]
    frame = pd.concat([f.to_frame() for f in found])
    words = frame.select_dtypes(exclude=[np.number, bool]).columns
    assert list(words) == ["optimizer", "outcome", "largest_at"]
    for line, f, model in zip(frame.itertuples(), found, models, strict=True):
        assert (line.evaluations, line.objective) == (model.optsum.feval, model.optsum.fmin)
        assert line.largest_gradient == f.gradient.abs()[line.largest_at] == f.gradient.abs().max()
        assert (line.gain, line.condition, line.converged) == (f.gain, f.condition, True)
    assert frame["singular"].tolist() == [0, 1]
    assert frame["certificate"].isna().tolist() == [True, False]
    assert f"Evaluations               {models[0].optsum.feval}, restarts 0" in repr(found[0])
    assert "Evaluations" in found[1]._repr_html_()


@pytest.mark.parametrize("options", [{}, {"fast": True}, {"nagq": 7}])
def test_a_generalized_fit_that_has_converged(options):
    model = mm.glmm(CBPP, oracles.dataset("cbpp"), "binomial", **options)
    found = model.check_convergence()
    assert found.converged and 1 <= found.condition < 10
    assert list(found.gradient.index) == model.optsum.names
    if "nagq" not in options:
        exact = model.objective_gradient(model.optsum.final)[1]
        np.testing.assert_allclose(found.gradient, exact, atol=1e-6)


@pytest.mark.parametrize("column", ["Days", "year"])
def test_odd_columns(column):
    """Slopes over years: the condition is that of columns of ordinary size."""
    rows = oracles.dataset("sleepstudy").assign(year=lambda d: d["Days"] + 2000)
    found = mm.lmm(f"Reaction ~ {column} + ({column} | Subject)", rows).check_convergence()
    assert found.converged and found.condition < 10
    model = mm.glmm(f"Reaction ~ {column} + ({column} | Subject)", rows, "gamma", "log")
    found = model.check_convergence()
    assert found.converged and found.condition < 10 and "log(dispersion)" in found.gradient
    exact = model.objective_gradient(model.optsum.final)[1]
    np.testing.assert_allclose(found.gradient, exact, rtol=1e-3, atol=1e-4)


def test_quadrature_off_its_minimum():
    """Differences of the objective give the same gain as another search."""
    model = mm.glmm(CBPP, oracles.dataset("cbpp"), "binomial", nagq=7)
    best = model.objective
    model.optsum.final = model.optsum.final + np.r_[0.1, np.zeros(4)]
    found = model.check_convergence()
    left = model.objective_at(model.optsum.final) - best
    assert found.gain == pytest.approx(left, rel=0.1) and not found.converged


def test_a_search_cut_short():
    model = mm.LinearMixedModel(SLEEP, oracles.dataset("sleepstudy"))
    model.optsum.maxfeval = 12
    with pytest.warns(mm.NumbammWarning, match="MAXEVAL_REACHED"):
        model.fit(optimizer="nlopt:LN_BOBYQA")
    found = model.check_convergence()
    assert not found.converged
    # what is said to be left is about what a full search gains
    left = model.objective - 1751.9393445
    assert found.gain == pytest.approx(left, rel=0.2)
    assert "The search was stopped by a limit" in repr(found)
    assert "standard errors away" in repr(found)


def test_a_saddle():
    """At λ = 0 the gradient vanishes, too."""
    model = mm.LinearMixedModel(SLEEP, oracles.dataset("sleepstudy"))
    model.optsum.initial, model.optsum.maxfeval = np.zeros(3), 1
    with pytest.warns(mm.NumbammWarning):
        model.fit(optimizer="nlopt:LN_BOBYQA")
    found = model.check_convergence()
    assert found.gain < 1e-12 and np.isinf(found.condition) and not found.converged
    assert "the objective falls in some direction" in repr(found)


def test_an_objective_that_fails_beside_the_estimates(monkeypatch):
    model = mm.lmm("Yield ~ 1 + (1 | Batch)", oracles.dataset("Dyestuff"))
    real = LinearSpace.gradient

    def fails(space, theta):
        value, slopes = real(space, theta)
        return value, slopes if np.array_equal(theta, model.theta) else slopes * np.nan

    monkeypatch.setattr(LinearSpace, "gradient", fails)
    found = model.check_convergence()
    assert not found.converged and "does not exist everywhere near" in repr(found)


def test_singular_fits_name_their_directions(fitted):
    found = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2").check_convergence()
    assert found.converged and found.singular == {"(Intercept | Batch)": ["Intercept"]}
    assert "Singular fit: the data do not support" in repr(found)
    assert "(a local minimum)" in repr(found)
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(15), 8), np.tile(np.arange(8.0), 15)
    b = rng.standard_normal(15)
    rows = {"y": (2 + 0.5 * x) * b[g] + rng.standard_normal(120), "x": x, "g": g}
    model = mm.lmm("y ~ x + (x | g)", rows)
    assert model.is_singular()
    [said] = model.check_convergence().singular["(Intercept, x | g)"]
    assert re.fullmatch(r"-0\.2\d Intercept \+x", said)  # the slope is a quarter of the intercept


def test_restarts_are_counted():
    model = mm.glmm(CBPP, oracles.dataset("cbpp"), "binomial", optimizer="nlopt:LN_BOBYQA")
    assert model.optsum.restarts >= 2
    assert f", restarts {model.optsum.restarts}" in repr(model.check_convergence())
    assert mm.OptSummary.from_dict(model.optsum.to_dict()).restarts == model.optsum.restarts
