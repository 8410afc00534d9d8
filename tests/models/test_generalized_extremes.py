"""Generalized models on extreme data, and what is said of data that cannot be fitted."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm

RNG = np.random.default_rng(11)
G = np.tile(np.arange(10), 20)
X = RNG.normal(size=200)
B = 0.5 * RNG.normal(size=10)


def model(y, family, *args, formula="y ~ x + (1 | g)", **options):
    return mm.glmm(
        formula, {"y": np.asarray(y, dtype=float), "x": X, "g": G}, family, *args, **options
    )


# ---- extreme data survive -------------------------------------------------------------------


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog"])
@pytest.mark.parametrize("rare", [0.0, 1.0])
def test_all_but_one_alike(link, rare):
    y = np.full(200, 1 - rare)
    y[17] = rare
    fit = model(y, "bernoulli", link)
    assert fit.fittedvalues.mean() == pytest.approx(y.mean(), abs=2e-3)
    assert np.isfinite(fit.bse).all() and (fit.bse < 5).all()


def test_counts_of_a_million():
    y = RNG.poisson(1e6 * np.exp(B[G] + 0.1 * X))
    fit = model(y, "poisson")
    assert_allclose(fit.params, [np.log(1e6), 0.1], atol=0.6)
    assert fit.params["x"] == pytest.approx(0.1, abs=5 * fit.bse["x"])
    assert fit.bse["x"] < 1e-3
    assert fit.theta[0] == pytest.approx(B.std(), rel=0.1)


@pytest.mark.parametrize("family", ["poisson", "negativebinomial"])
@pytest.mark.parametrize("offset", [-20.0, 20.0])
def test_offset_moves_the_intercept_alone(family, offset):
    y = RNG.negative_binomial(2, 1 / (1 + 1.5 * np.exp(B[G] + 0.1 * X))) * 1.0
    options = {} if family == "poisson" else {"shape": 2.0}
    here = _quietly(y, family, **options)
    there = _quietly(y, family, offset=np.full(200, offset), **options)
    assert there.objective == pytest.approx(here.objective, abs=1e-6)
    assert_allclose(there.params - here.params, [-offset, 0.0], atol=1e-3)


def _quietly(y, family, **options):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.OverdispersionWarning)
        return model(y, family, **options)


@pytest.mark.parametrize("p", [1e-4, 1 - 1e-4])
def test_means_near_the_bounds(p):
    n = np.full(200, 1e6)
    y = RNG.binomial(1_000_000, 1 / (1 + np.exp(-(np.log(p / (1 - p)) + B[G])))) / n
    fit = model(y, "binomial", weights=n)
    assert fit.params["Intercept"] == pytest.approx(np.log(p / (1 - p)) + B.mean(), abs=0.1)
    assert fit.theta[0] == pytest.approx(B.std(), rel=0.1)


def test_groups_of_one_row_and_of_ten_thousand():
    g = np.concatenate([np.zeros(10_000, int), np.arange(1, 201)])
    x, b = RNG.normal(size=len(g)), 1.5 * RNG.normal(size=201)
    y = (RNG.uniform(size=len(g)) < 1 / (1 + np.exp(-(b[g] + x)))) * 1.0
    fit = mm.glmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, "bernoulli")
    assert fit.params["x"] == pytest.approx(1.0, abs=0.15)
    sd = np.sqrt(fit.condvar()["g"]["Intercept"])
    assert sd.iloc[0] < 0.1 < sd.iloc[1:].min()


# ---- warnings -------------------------------------------------------------------------------


def test_overdispersion_is_told_once_and_can_be_silenced():
    data = mm.datasets.load("grouseticks")
    formula = "TICKS ~ YEAR + cHEIGHT + (1 | LOCATION)"
    built = mm.GeneralizedLinearMixedModel(formula, data, "poisson")
    with pytest.warns(mm.OverdispersionWarning, match="times its degrees of freedom"):
        built.fit(fast=True)
    assert built.pearson_ratio > 1.5
    built.refit(fast=True)  # a second warning would be an error here
    nested = mm.glmm(f"{formula[:-1]}) + (1 | INDEX)", data, "poisson", fast=True)
    assert nested.pearson_ratio < 1


def test_fractional_counts_are_told():
    y = RNG.poisson(3.0, 200) * 1.0
    y[5] = 2.5
    with pytest.warns(mm.NumbammWarning, match="whole numbers; the response 'y' is not in rows 5"):
        model(y, "poisson")


def test_separation_in_part_is_told():
    a = np.repeat(list("abcd"), 50)
    y = np.where(a == "b", 0, RNG.integers(0, 2, 200)) * 1.0
    with pytest.warns(mm.NumbammWarning, match=r"coefficients of a\[T.b\] grow without limit"):
        fit = mm.glmm("y ~ a + (1 | g)", {"y": y, "a": a, "g": G}, "bernoulli", fast=True)
    assert fit.params["a[T.b]"] < -10
    assert abs(fit.params["a[T.c]"]) < 2
    counts = np.where(a == "b", 0, RNG.poisson(2, 200)) * 1.0
    with pytest.warns(mm.NumbammWarning, match=r"coefficients of a\[T.b\] grow without limit"):
        fit = mm.glmm("y ~ a + (1 | g)", {"y": counts, "a": a, "g": G}, "poisson", fast=True)
    assert fit.params["a[T.b]"] < -10


# ---- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "named"), [(X > 0.3, "x"), (X + B[G] > 0.2, None)], ids=["alone", "not"]
)
def test_complete_separation_names_the_covariate(response, named):
    if named is None:
        model(response, "bernoulli", fast=True)
        return
    with pytest.raises(mm.DataError, match="separate the responses completely.*: x$"):
        model(response, "bernoulli")


@pytest.mark.parametrize(
    ("y", "family", "options", "message"),
    [
        (np.r_[0.0, np.ones(199)], "gamma", {}, "gamma needs values above 0.*rows 0"),
        (np.r_[-1.0, np.ones(199)], "inversegaussian", {}, "values above 0.*rows 0"),
        (np.r_[-1.0, np.ones(199)], "negativebinomial", {}, "counts of at least 0.*rows 0"),
        (np.ones(200), "gamma", {}, "'y' is constant"),
        (np.arange(200.0), "poisson", {"shape": 2.0}, "shape belongs to the negative binomial"),
        (np.arange(200.0), "negativebinomial", {"shape": -2.0}, "shape must be a positive number"),
        (np.arange(200.0), "poisson", {"init": "ols"}, "unknown init 'ols'.*glm, lmm"),
        (np.arange(200.0), "quasipoisson", {}, "unknown family.*negativebinomial, gamma"),
        (np.arange(200.0), "poisson", {"offset": np.ones(7)}, "offset"),
    ],
)
def test_mistakes_are_explained(y, family, options, message):
    with pytest.raises(mm.NumbammError, match=message):
        model(y, family, **options)


def test_pirls_that_cannot_step_says_where_and_leaves_the_model():
    rng = np.random.default_rng(2)
    y = 1 / np.abs(0.05 + 0.3 * rng.normal(size=10)[G] ** 2 + 0.001 * X)
    built = mm.GeneralizedLinearMixedModel(
        "y ~ x + (1 | g)", {"y": y, "x": X, "g": G}, "gamma", "inverse"
    )
    with pytest.raises(mm.FitError, match=r"no mode at theta = \[nan\]"):
        built.pirls([np.nan])
    built.optsum.initial = [np.nan]
    with pytest.raises((mm.FitError, mm.OptionError)):
        built.fit()
    built.optsum.initial = [1.0]
    assert np.isfinite(built.fit(fast=True).objective)
