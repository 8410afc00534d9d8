"""Generalized fits by random probes against exact ones."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm.blocks.tail import choice
from numbamm.models.fitting import generalized_tail

N = 4000


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    u, i = rng.integers(0, 300, N), rng.choice(90, N, p=np.arange(1, 91) / np.arange(1, 91).sum())
    x, v = rng.normal(size=N), rng.normal(size=N)
    eta = 0.3 + 0.2 * x + 0.8 * rng.normal(size=300)[u] + 0.6 * rng.normal(size=90)[i]
    trials = rng.integers(1, 9, N)
    mean = 1 / (1 + np.exp(-eta))
    return pd.DataFrame(
        {
            "z": (rng.random(N) < mean).astype(int),
            "successes": rng.binomial(trials, mean),
            "failures": 0,
            "count": rng.poisson(np.exp(0.5 * eta)),
            "many": rng.negative_binomial(3, 3 / (3 + np.exp(0.5 * eta))),
            "x": x,
            "v": v,
            "o": 0.1 * rng.normal(size=N),
            "u": [f"u {k}" for k in u],
            "i": i,
            "g": u // 10,
            "h": i % 20,
            "trials": trials,
        }
    ).assign(failures=lambda d: d["trials"] - d["successes"])


#: Formula, and arguments of `glmm`.
FITS = {
    "bernoulli": ("z ~ x + (1 | u) + (1 | i)", {"family": "bernoulli"}),
    "fast": ("z ~ x + (1 | u) + (1 | i)", {"family": "bernoulli", "fast": True}),
    "probit, slopes": ("z ~ x + (1 + v | u) + (1 | i)", {"family": "bernoulli", "link": "probit"}),
    "binomial": (
        "cbind(successes, failures) ~ x + (1 | u) + (1 | i)",
        {"family": "binomial", "offset": "o"},
    ),
    "poisson": ("count ~ x + (1 | u) + (1 | i)", {"family": "poisson"}),
    "negative binomial": ("many ~ x + (1 | u) + (1 | i)", {"family": "negativebinomial"}),
}


@pytest.fixture(scope="module")
def fits(data):
    found = {}

    def fit(name, tail, **options):
        key = name, tail, tuple(options.items())
        if key not in found:
            formula, arguments = FITS[name]
            found[key] = mm.glmm(formula, data, tail=tail, **arguments, **options)
        return found[key]

    return fit


@pytest.mark.parametrize("name", FITS)
def test_estimates_are_within_their_errors(name, fits):
    fit, exact = fits(name, "iterative"), fits(name, "dense")
    errors = fit.estimates.monte_carlo
    assert fit._tail_choice.name == "iterative"
    difference = abs(fit.optsum.final - exact.optsum.final)
    assert (difference < 6 * fit.optsum.final_error + 1e-4 * abs(exact.optsum.final) + 1e-6).all()
    assert abs(fit.objective - exact.objective) < 6 * errors.objective + 1e-3
    assert errors.share < 0.01
    np.testing.assert_allclose(fit.bse, exact.bse, rtol=1e-3)
    for group, frame in exact.ranef().items():
        np.testing.assert_allclose(fit.ranef()[group], frame, atol=1e-2)
    np.testing.assert_allclose(fit.fittedvalues, exact.fittedvalues, rtol=1e-2)


def test_a_seed_gives_the_same_fit(fits, data):
    fit = fits("bernoulli", "iterative")
    again = mm.glmm(FITS["bernoulli"][0], data, "bernoulli", tail="iterative")
    np.testing.assert_array_equal(again.optsum.final, fit.optsum.final)
    other = fits("bernoulli", "iterative", seed=5)
    assert (other.optsum.final != fit.optsum.final).any()


def test_errors_are_shown(fits):
    fit = fits("bernoulli", "iterative")
    assert "Approximate fit with 8 random probes" in str(fit.summary())
    assert "Monte-Carlo error" in str(fit.optsum)
    assert "tail: iterative, as asked" in fit.block_description()
    assert (fit.varcorr.to_frame()["mc_error"] > 0).all()
    assert "mc_error" not in fits("bernoulli", "dense").varcorr.to_frame()


def test_comparisons(fits, data):
    small = mm.glmm("z ~ 1 + (1 | u) + (1 | i)", data, "bernoulli", tail="iterative")
    test = mm.lrtest(small, fits("bernoulli", "iterative")).frame
    exact = mm.glmm("z ~ 1 + (1 | u) + (1 | i)", data, "bernoulli", tail="dense")
    expected = mm.lrtest(exact, fits("bernoulli", "dense")).frame
    np.testing.assert_allclose(test["chisq"].iloc[1], expected["chisq"].iloc[1], atol=0.05)
    assert test["mc_error"].iloc[1] < 0.05


def test_a_term_less_is_fitted_as_it_can_be(fits):
    found = mm.ranova(fits("bernoulli", "iterative")).frame
    expected = mm.ranova(fits("bernoulli", "dense")).frame
    np.testing.assert_allclose(found["chisq"], expected["chisq"], rtol=1e-2)


def test_variances_of_chosen_levels(fits, data):
    fit, exact = fits("bernoulli", "iterative"), fits("bernoulli", "dense")
    found, expected = (m.condvar("i", levels=[4, 80]) for m in (fit, exact))
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    a, b = (m.predict(data.iloc[:20], se=True) for m in (fit, exact))
    np.testing.assert_allclose(a, b, rtol=1e-2)


def test_what_cannot_be_had(fits, data):
    with pytest.raises(mm.OptionError, match="leverages of all rows.*tail='dense'"):
        fits("bernoulli", "iterative").leverage()
    formula = "z ~ x + (1 | u) + (1 | i)"
    with pytest.raises(mm.OptionError, match="leave optimizer at 'auto'"):
        mm.glmm(formula, data, "bernoulli", tail="iterative", optimizer="nlopt:LN_BOBYQA")
    nested = "z ~ x + (1 | u) + (1 | g) + (1 | h)"
    for nothing, why in (
        ("z ~ x + (1 | u)", "the elimination"),
        (nested, "two factors are nested"),
    ):
        with pytest.raises(mm.OptionError, match=f"tail='iterative': {why}.*leave tail at 'auto'"):
            mm.glmm(nothing, data, "bernoulli", tail="iterative")
    with pytest.raises(mm.OptionError, match="tail='iterative': the family has a dispersion"):
        mm.glmm("trials ~ x + (1 | u) + (1 | i)", data, "gamma", "log", tail="iterative")


def test_small_models_have_a_dense_tail(data):
    model = mm.GeneralizedLinearMixedModel("z ~ x + (1 | u) + (1 | i)", data, "bernoulli")
    assert model._tail_choice.name == "dense" and "tail" not in model.block_description()


def test_a_heavy_tail_is_iterative(data, monkeypatch):
    monkeypatch.setattr(generalized_tail, "SMALL_ORDER", 10)
    monkeypatch.setattr(generalized_tail, "SMALL_SECONDS", 0.0)
    monkeypatch.setattr(choice, "HEAVY_SECONDS", 0.0)
    monkeypatch.setattr(generalized_tail, "LINEAR_EVALUATIONS", 0)
    model = mm.GeneralizedLinearMixedModel("z ~ x + (1 | u) + (1 | i)", data, "bernoulli")
    assert model._tail_choice.name == "iterative"


def test_slow_convergence_hands_over(data, monkeypatch, fits):
    from numbamm.blocks.tail import approximation

    monkeypatch.setattr(approximation, "MOST_ITERATIONS", 2)
    monkeypatch.setattr(approximation.Approximation.__init__, "__defaults__", (2,))
    with pytest.warns(mm.NumbammWarning, match="given up for the dense one"):
        fit = mm.glmm(FITS["fast"][0], data, "bernoulli", fast=True, tail="iterative")
    assert fit._tail_choice.name == "dense"
    np.testing.assert_allclose(fit.theta, fits("fast", "dense").theta, rtol=1e-4)


def test_cells_of_rows_that_stream(fits, data):
    chunks = [data.iloc[:1500], data.iloc[1500:]]
    formula, arguments = FITS["fast"]
    streamed = mm.glmm(formula, lambda: chunks, tail="iterative", **arguments)
    assert streamed.is_streamed and streamed._tail_choice.name == "iterative"
    exact = fits("fast", "dense")
    np.testing.assert_allclose(streamed.theta, exact.theta, rtol=1e-3)
    np.testing.assert_allclose(streamed.bse, exact.bse, rtol=1e-3)


def test_files(fits, data, tmp_path):
    fit = fits("poisson", "iterative")
    fit.save(tmp_path / "fit.json")
    formula, arguments = FITS["poisson"]
    other = mm.GeneralizedLinearMixedModel(formula, data, tail="iterative", **arguments)
    other.restore(tmp_path / "fit.json")
    np.testing.assert_allclose(other.params, fit.params, rtol=1e-8)
    np.testing.assert_allclose(other.objective, fit.objective, rtol=1e-10)
    assert other.estimates.monte_carlo is not None


def test_the_path_of_the_mode_is_shown(data, capsys):
    model = mm.GeneralizedLinearMixedModel(FITS["fast"][0], data, "bernoulli", tail="iterative")
    path = model.pirls([0.5, 0.5]).path
    assert np.isfinite(path).all() and (np.diff(path) < 1e-6).all()
