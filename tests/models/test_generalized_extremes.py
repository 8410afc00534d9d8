"""Generalized models on extreme data, and what is said of data that cannot be fitted."""

import numpy as np
import pytest
from models.smoothness import noise
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
    assert fit.fittedvalues.mean() == pytest.approx(y.mean(), abs=3e-3)
    assert np.isfinite(fit.bse).all() and (fit.bse < 5).all()


def test_counts_of_a_million():
    y = RNG.poisson(1e6 * np.exp(B[G] + 0.1 * X))
    fit = model(y, "poisson")
    assert_allclose(fit.params, [np.log(1e6), 0.1], atol=0.6)
    assert fit.params["x"] == pytest.approx(0.1, abs=5 * fit.bse["x"])
    assert fit.bse["x"] < 1e-3
    assert fit.theta[0] == pytest.approx(B.std(), rel=0.1)
    space = fit.space_of(fit.parameters(fast=False))
    assert noise(space.objective, space.to_scaled(fit.optsum.final)) < 1e-7


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


@pytest.mark.parametrize(
    ("y", "family", "options", "message"),
    [
        (np.r_[0.0, np.ones(199)], "gamma", {}, "gamma family needs values above 0.*rows 0"),
        (np.r_[-1.0, np.ones(199)], "inversegaussian", {}, "values above 0.*rows 0"),
        (np.r_[-1.0, np.ones(199)], "negativebinomial", {}, "counts of at least 0.*rows 0"),
        (np.ones(200), "gamma", {}, "'y' is constant"),
        (np.arange(200.0), "poisson", {"shape": 2.0}, "shape belongs to the negative binomial"),
        (np.arange(200.0), "negativebinomial", {"shape": -2.0}, "shape must be a positive number"),
        (np.arange(200.0), "poisson", {"init": "ols"}, "unknown init 'ols'.*glm, lmm"),
        (np.arange(200.0), "quasipoisson", {}, "unknown family.*binomial, compois, gamma"),
        (np.arange(200.0), "poisson", {"offset": np.ones(7)}, "offset"),
    ],
)
def test_mistakes_are_explained(y, family, options, message):
    with pytest.raises(mm.NumbammError, match=message):
        model(y, family, **options)


def test_no_mode_is_told_and_leaves_the_model():
    """With the inverse link means are positive, which large effects of both signs cannot give."""
    built = mm.GeneralizedLinearMixedModel(
        "y ~ x + (1 + x | g)", {"y": RNG.gamma(3, size=200), "x": X, "g": G}, "gamma", "inverse"
    )
    with pytest.raises(mm.FitError, match=r"no mode at theta = \[nan"):
        built.pirls([np.nan, 0.0, 1.0])
    with pytest.raises(
        mm.OptionError, match=r"theta must be 3 numbers \(g.Intercept, .*, not \[1.0\]"
    ):
        built.pirls([1.0])
    assert np.isfinite(built.fit(fast=True).objective)


def test_perfect_fit_is_refused():
    y = np.exp(np.arange(10.0))[G]
    with pytest.raises(mm.FitError, match="fit the responses perfectly|no mode"):
        mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": G}, "gaussian", "log")


def test_counts_on_the_left_are_for_binomial_models():
    data = mm.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    with pytest.raises(mm.DataError, match="is for binomial models, not for a linear model"):
        mm.lmm(formula, data)
    with pytest.raises(mm.DataError, match="not for the Poisson family"):
        mm.glmm(formula, data, "poisson")


@pytest.mark.parametrize("failures", [[0.5], [2.0, 1e-3, 3.25]])
def test_failures_are_whole_numbers(failures):
    data = {"s": np.full(200, 2.0), "f": np.resize([1.0, 4.0], 200), "x": X, "g": G}
    data["f"][7 : 7 + len(failures)] = failures
    with pytest.raises(
        mm.DataError, match=r"failures in 'cbind\(s, ?f\)' must be whole.*row.* 7|8"
    ):
        mm.glmm("cbind(s, f) ~ x + (1 | g)", data, "binomial")


def test_zero_trials_are_counted():
    data = mm.datasets.load("cbpp")
    empty = data.assign(incidence=data["incidence"].where(data.index > 2, 0))
    empty = empty.assign(size=data["size"].where(data.index > 2, 0))
    fit = mm.glmm("cbind(incidence, size - incidence) ~ 1 + (1 | herd)", empty, "binomial")
    assert fit.nobs == len(data) - 3
    assert "3 rows without trials dropped." in str(fit)


def test_binomial_with_the_log_link():
    """By lme4 1.1-31: 183.2733 (Laplace approximation), θ = 0.528."""
    data = mm.datasets.load("cbpp")
    fit = mm.glmm(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", data, "binomial", "log"
    )
    assert fit.objective == pytest.approx(183.2733, abs=1e-3)
    assert fit.theta[0] == pytest.approx(0.528, abs=2e-3)
    assert (fit.fittedvalues < 1).all()


# ---- limits, bounds, interrupts, threads ----------------------------------------------------


def test_threads_may_evaluate_one_model():
    from concurrent.futures import ThreadPoolExecutor

    built = mm.GeneralizedLinearMixedModel(
        "r2 ~ 1 + Anger + (1 | id) + (1 | item)", mm.datasets.load("VerbAgg"), "bernoulli"
    )
    points = [np.array([a, b]) for a in (0.5, 1.0, 1.5) for b in (0.2, 0.5, 0.9)]
    alone = [built.objective_at(x) for x in points]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(built.objective_at, points))
    assert_allclose(together, alone, atol=1e-9, rtol=0)


def test_twins_fit_in_threads(cbpp):
    from concurrent.futures import ThreadPoolExecutor

    cbpp.fit()
    before = str(cbpp)
    twins = [cbpp.twin() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        fits = list(pool.map(lambda twin: twin.refit(progress=False).objective, twins))
    assert_allclose(fits, cbpp.objective, atol=1e-9, rtol=0)
    assert str(cbpp) == before


def test_pirls_of_a_fitted_model(cbpp):
    cbpp.fit()
    assert cbpp.pirls().objective == pytest.approx(cbpp.objective_at(cbpp.theta), abs=1e-9)
    cbpp.refit(verbose=True)


def test_quadrature_where_nodes_leave_the_link():
    """Nodes at which there is no mean have no density."""
    y = RNG.gamma(20, np.exp(0.2 * B[G]) / 20)
    built = model(y, "gamma", "inverse", formula="y ~ 1 + (1 | g)", nagq=25)
    laplace = built.refit(nagq=1).objective
    assert built.refit(nagq=25).objective == pytest.approx(laplace, abs=0.2)
