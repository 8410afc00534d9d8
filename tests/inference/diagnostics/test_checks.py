"""`check_overdispersion`, `check_zeroinflation`, `check_collinearity`, `check_convergence`."""

import re
import warnings

import numpy as np
import oracles
import pandas as pd
import pytest
from scipy import stats

import numbamm as mm

SLEEP = "Reaction ~ Days + (Days | Subject)"
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


def counts(inflated, n=400):
    """Counts of 20 groups about exp(0.7), some of them replaced by zeros."""
    rng = np.random.default_rng(5)
    g = np.arange(n) % 20
    y = rng.poisson(np.exp(0.7 + 0.4 * rng.standard_normal(20)[g]))
    return pd.DataFrame({"y": np.where(rng.random(n) < inflated, 0, y), "g": g})


@pytest.fixture(scope="module")
def binomial():
    return mm.glmm(CBPP, oracles.dataset("cbpp"), "binomial")


@pytest.fixture(scope="module")
def inflated():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.OverdispersionWarning)
        return mm.glmm("y ~ 1 + (1 | g)", counts(0.4), "poisson")


# ---- counts -------------------------------------------------------------------------------------


def test_overdispersion(binomial, inflated):
    found = binomial.check_overdispersion()
    line = found.frame.loc["Pearson"]
    mu, w = binomial.estimates.fitted, binomial.frame.weights
    chisq = np.sum(w * (binomial.frame.y - mu) ** 2 / (mu * (1 - mu)))
    assert line["chisq"] == pytest.approx(chisq) and line["df"] == 51
    assert line["pvalue"] == pytest.approx(stats.chi2.sf(chisq, 51))
    assert "No sign of overdispersion" in repr(found)
    found = mm.check_overdispersion(inflated)
    assert found.frame["ratio"].item() == pytest.approx(inflated.pearson_ratio) and (
        inflated.pearson_ratio > 1.2
    )
    assert "A negative binomial family or a random effect" in repr(found)


def test_zeros_expected(binomial, inflated):
    """By scipy's distributions, at the conditional means."""
    mu, trials = binomial.estimates.fitted, binomial.frame.weights
    expected = stats.binom.pmf(0, trials, mu).sum()
    assert binomial.check_zeroinflation().frame["expected"].item() == pytest.approx(expected)
    found = inflated.check_zeroinflation().frame.loc["conditional"]
    P = stats.poisson.pmf(0, inflated.estimates.fitted)
    assert found["observed"] == (inflated.frame.y == 0).sum()
    assert found["expected"] == pytest.approx(P.sum())
    assert found["ratio"] == found["observed"] / found["expected"]
    z = (found["observed"] - 0.5 - P.sum()) / np.sqrt(np.sum(P * (1 - P)))
    assert found["pvalue"] == pytest.approx(stats.norm.sf(z), rel=1e-6)
    model = mm.glmm("y ~ 1 + (1 | g)", counts(0.4), "negativebinomial")
    k, mu = model.shape, model.estimates.fitted
    expected = stats.nbinom.pmf(0, k, k / (k + mu)).sum()
    assert model.check_zeroinflation().frame["expected"].item() == pytest.approx(expected)


def test_zero_inflation_is_found_where_it_is(inflated):
    found = inflated.check_zeroinflation(100, seed=1)
    assert (found.frame["pvalue"] < 0.01).all()
    assert "More zeros than the model expects. A negative binomial" in repr(found)
    pd.testing.assert_frame_equal(found.frame, inflated.check_zeroinflation(100, seed=1).frame)
    plain = mm.glmm("y ~ 1 + (1 | g)", counts(0.0), "poisson").check_zeroinflation(100, seed=1)
    assert (plain.frame["pvalue"] > 0.05).all() and "No sign" in repr(plain)
    conditional, simulated = plain.frame["expected"]
    assert simulated == pytest.approx(conditional, rel=0.2)


def test_weights_of_counts_are_rows():
    rows = counts(0.2).groupby(["y", "g"], as_index=False).size()
    joined = mm.glmm("y ~ 1 + (1 | g)", rows, "poisson", weights="size")
    plain = mm.glmm("y ~ 1 + (1 | g)", counts(0.2), "poisson")
    for check in (mm.check_zeroinflation, mm.check_overdispersion):
        np.testing.assert_allclose(check(joined).frame, check(plain).frame, rtol=1e-4)


def test_what_has_no_counts(fitted):
    linear = fitted(SLEEP, "sleepstudy")
    rows = oracles.dataset("cbpp").assign(any=lambda d: (d["incidence"] > 0).astype(int))
    single = mm.glmm("any ~ size + (1 | herd)", rows, "bernoulli", fast=True)
    for model, overdispersion, zeros in (
        (linear, "estimates its dispersion", "gaussian family has no zeros"),
        (single, "single trials cannot be overdispersed", "zeros of single trials"),
    ):
        with pytest.raises(mm.OptionError, match=overdispersion):
            model.check_overdispersion()
        with pytest.raises(mm.OptionError, match=zeros):
            model.check_zeroinflation()
    with pytest.raises(mm.OptionError, match="n must be a number of responses to draw, not -1"):
        single.check_zeroinflation(-1)


# ---- collinearity -------------------------------------------------------------------------------


def test_condition_indices_are_belsleys():
    """With hardly any random effects: by the singular values of X with columns of length one."""
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"a": rng.standard_normal(200), "g": np.arange(200) % 10})
    rows["b"] = rows["a"] + 0.05 * rng.standard_normal(200)
    rows["c"] = rng.standard_normal(200) + 3
    rows["y"] = rows["a"] + rng.standard_normal(200)
    model = mm.LinearMixedModel("y ~ a + b + c + (1 | g)", rows)
    model._estimates = model._estimate(np.zeros(1), model.objective_at(np.zeros(1)))
    found = model.check_collinearity()
    X = model.frame.X / np.linalg.norm(model.frame.X, axis=0)
    _, s, V = np.linalg.svd(X)
    np.testing.assert_allclose(found.frame["index"], s[0] / s)
    shares = (V / s[:, None]) ** 2
    np.testing.assert_allclose(found.proportions, shares / shares.sum(axis=0))
    said = found.frame["coefficients"].iloc[-1]
    assert "a (1.00)" in said and "b (1.00)" in said and "c (" not in said
    assert "A severe dependency" in repr(found)


def test_collinearity_of_generalized_and_deficient_models(binomial):
    assert "No sign of collinearity" in repr(binomial.check_collinearity())
    rows = oracles.dataset("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    model = mm.lmm("Reaction ~ Days + twice + (1 | Subject)", rows)
    assert "without a coefficient: twice." in repr(model.check_collinearity())


# ---- convergence --------------------------------------------------------------------------------


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
    assert "The search was cut short" in repr(found)
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
    real = model._gradient()

    def fails(theta):
        value, slopes = real(theta)
        return value, slopes if np.array_equal(theta, model.theta) else slopes * np.nan

    monkeypatch.setattr(model, "_gradient", lambda: fails)
    found = model.check_convergence()
    assert not found.converged and "cannot be computed all around" in repr(found)


def test_singular_fits_name_their_directions(fitted):
    found = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2").check_convergence()
    assert found.converged and found.singular == {"(Intercept | Batch)": ["Intercept"]}
    assert "Singular fit: the data do not support" in repr(found)
    assert "(a minimum)" in repr(found)
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


@pytest.mark.parametrize(("shift", "scale"), [(1e6, 1e-2), (1e9, 1.0)])
def test_collinearity_beside_covariates_far_from_zero(shift, scale):
    """The condition index is about twice the distance from zero over the spread."""
    rows = oracles.dataset("sleepstudy").assign(x=lambda d: shift + scale * d["Days"])
    found = mm.lmm("Reaction ~ x + (1 | Subject)", rows).check_collinearity()
    x = np.column_stack([np.ones(len(rows)), rows["x"]])
    x -= np.array([0, shift])
    cosine = (shift + x[:, 1].mean()) / np.sqrt(np.mean((shift + x[:, 1]) ** 2))
    sine2 = x[:, 1].var() / np.mean((shift + x[:, 1]) ** 2)
    expected = (1 + cosine) / np.sqrt(sine2)  # √((1 + c)/(1 - c)), 1 - c² = s²
    assert found.to_frame()["index"].iloc[-1] == pytest.approx(expected, rel=1e-4)
    assert "A severe dependency" in repr(found) and "those of X alone" in repr(found)
