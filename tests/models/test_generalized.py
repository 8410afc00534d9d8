"""Generalized models: the original's path, the oracles, and what follows from a fit."""

import gc
import pickle
import weakref

import numpy as np
import pytest
from generalized_oracles import ORACLES, each_oracle, family_of
from numpy.testing import assert_allclose
from oracles import theta_in_our_order

import numbamm as mm

VERBAGG = "r2 ~ 1 + Anger + Gender + btype + situ + (1 | id) + (1 | item)"


@pytest.fixture(scope="module")
def verbagg():
    return mm.GeneralizedLinearMixedModel(VERBAGG, mm.datasets.load("VerbAgg"), "bernoulli")


# ---- the original's path ------------------------------------------------------------------


def test_start_is_the_model_without_random_effects(verbagg):
    start = verbagg.feterm.to_basis @ verbagg._start.gamma
    expected = [0.20605, 0.03994, 0.23132, -0.79419, -1.53919, -0.77666]
    assert_allclose(start, expected, atol=1e-5)


def test_path_of_pirls(verbagg, capsys):
    assert verbagg.pirls([1.0, 1.0], verbose=True).objective == pytest.approx(8201.848559, abs=1e-6)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("varyβ = true, obj₀ = 10209.83")
    values = [float(line.split(":")[1]) for line in lines if line.strip()[:1].isdigit()]
    assert_allclose(values[:4], [8301.483, 8205.604, 8201.897, 8201.8486], atol=1e-3)
    assert values[-1] == pytest.approx(8201.848559, abs=1e-6)


def test_evaluations_of_the_fast_fit():
    data = mm.datasets.load("VerbAgg")
    model = mm.glmm(VERBAGG, data, "bernoulli", fast=True, optimizer="nlopt:LN_BOBYQA")
    assert model.objective == pytest.approx(8151.583340132, abs=1e-6)
    assert_allclose(model.theta, [1.33956, 0.496833], atol=1e-5)
    assert 33 <= model.optsum.feval <= 41


def test_evaluations_by_gradient(fitted_glmm):
    fast, full = fitted_glmm("verbagg_0"), fitted_glmm("verbagg_1")
    assert fast.optsum.used == full.optsum.used == "newton"
    assert fast.objective == pytest.approx(8151.583340132, abs=1e-6)
    assert fast.optsum.feval <= 15
    assert full.objective < 8151.3998
    assert_allclose(full.theta, [1.3397, 0.4953], atol=1e-4)
    assert_allclose(full.beta, [0.1991, 0.05743, 0.3207, -1.0588, -2.1054, -1.0554], atol=2e-4)
    assert full.optsum.feval <= 25


@pytest.mark.parametrize("name", [n for n, o in ORACLES.items() if o.entry["nAGQ"] < 2])
@pytest.mark.filterwarnings("ignore::numbamm.OverdispersionWarning")
def test_from_random_starts(name):
    oracle, rng = ORACLES[name], np.random.default_rng(3)
    for _ in range(10):
        model = mm.GeneralizedLinearMixedModel(
            oracle.formula,
            oracle.frame,
            family_of(oracle),
            oracle.entry["link"],
            weights=oracle.weights,
            optimizer="newton",
        )
        theta = rng.normal(size=len(model.theta))
        model.optsum.initial = np.where(model.optsum.lowerbd == 0, np.abs(theta), theta)
        model.fit(fast=oracle.entry["nAGQ"] == 0)
        assert model.objective < oracle.criterion + 1e-6


def test_objective_has_no_noise(fitted_glmm):
    """Along a line through the optimum, second differences at steps of 1e-5 show rounding only."""
    model = fitted_glmm("verbagg_0")
    objective = model.space_of(model.parameters(fast=True)).objective
    direction = np.array([0.6, 0.8])
    values = [objective(model.theta + 1e-5 * k * direction) for k in range(-10, 11)]
    assert np.abs(np.diff(values, 2)).max() < 1e-7


# ---- oracles ------------------------------------------------------------------------------


@each_oracle
def test_objective(name, fitted_glmm):
    assert fitted_glmm(name).objective - ORACLES[name].criterion < 1e-6


@each_oracle
def test_theta(name, fitted_glmm):
    model = fitted_glmm(name)
    assert_allclose(model.theta, theta_in_our_order(ORACLES[name], model.reterms), atol=1e-3)


@each_oracle
def test_counts_and_criteria(name, fitted_glmm):
    model, oracle = fitted_glmm(name), ORACLES[name]
    assert model.nobs == oracle.nobs
    assert model.n_parameters == oracle.npar
    assert model.aic == pytest.approx(oracle.aic, abs=1e-5)
    assert model.bic == pytest.approx(oracle.bic, abs=1e-5)
    assert_allclose(model.fittedvalues[:3], oracle.fitted3, atol=1e-3)


def test_information_matters_where_the_link_is_not_canonical():
    """The textbook Laplace approximation of glmmTMB, and the one with PIRLS' weights."""
    data = mm.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    expected = mm.glmm(formula, data, "binomial", "probit")
    observed = mm.glmm(formula, data, "binomial", "probit", information="observed")
    assert expected.objective == pytest.approx(185.24245, abs=1e-4)
    assert observed.objective == pytest.approx(185.16668, abs=1e-4)
    logit = [
        mm.glmm(formula, data, "binomial", information=which).objective
        for which in ("expected", "observed")
    ]
    assert logit[0] == pytest.approx(logit[1], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nagq": 5, "fast": True}, "fast=True is for nagq=1"),
        ({"nagq": 0}, "nagq must be an integer of at least 1"),
        ({"nagq": 2.5}, "nagq must be an integer"),
    ],
)
def test_quadrature_that_cannot_be(options, message):
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    with pytest.raises(mm.OptionError, match=message):
        mm.glmm(formula, mm.datasets.load("cbpp"), "binomial", **options)
    with pytest.raises(mm.OptionError, match="one random-effects term.*has 2"):
        mm.glmm(VERBAGG, mm.datasets.load("VerbAgg"), "bernoulli", nagq=9)


# ---- what follows from a fit --------------------------------------------------------------


def test_proportions_and_counts_are_one_model():
    data = mm.datasets.load("cbpp")
    counts = mm.glmm("cbind(incidence, size - incidence) ~ period + (1 | herd)", data, "binomial")
    share = mm.glmm("incidence / size ~ period + (1 | herd)", data, "binomial", weights="size")
    assert counts.objective == pytest.approx(share.objective, abs=1e-9)


def test_prediction(fitted_glmm):
    model, data = fitted_glmm("verbagg_1"), mm.datasets.load("VerbAgg")
    means = model.predict(data)
    assert_allclose(means, model.fittedvalues)
    eta = model.predict(data, type="link")
    assert_allclose(1 / (1 + np.exp(-eta)), means)
    fixed = model.predict(data[["Anger", "Gender", "btype", "situ"]], random=False, type="link")
    assert_allclose(fixed, model.predict(random=False, type="link"))
    with pytest.raises(mm.OptionError, match="type must be"):
        model.predict(data, type="linear")


def test_objective_at_given_parameters(fitted_glmm):
    fast, full = fitted_glmm("cbpp_0"), fitted_glmm("cbpp_1")
    assert fast.objective_at(fast.theta) == pytest.approx(fast.objective, abs=1e-8)
    both = np.concatenate([full.beta, full.theta])
    assert full.objective_at(both) == pytest.approx(full.objective, abs=1e-8)
    with pytest.raises(
        mm.OptionError, match=r"1 number \(herd.Intercept\) or 5 numbers \(Intercept, period"
    ):
        full.objective_at([1.0, 2.0])


def test_refit_and_comparison_of_optimisers():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, mm.datasets.load("cbpp"), "binomial")
    before = model.objective
    comparison = mm.allfit(model, ["nlopt:LN_BOBYQA", "nlopt:LN_NELDERMEAD"])
    assert comparison.agree
    table = comparison.table.set_index("optimizer")
    assert table.loc["nlopt:LN_NELDERMEAD", "evaluations"] > 100
    assert 30 < table.loc["nlopt:LN_BOBYQA", "evaluations"] < 130
    assert model.objective == before
    assert model.refit(fast=True).objective == pytest.approx(184.108591, abs=1e-5)
    assert model.refit(fast=False).objective == pytest.approx(before, abs=1e-7)
    with pytest.raises(mm.FitError, match="refit"):
        model.fit()


@pytest.mark.parametrize("link", ["probit", "cloglog", "loglog", "cauchit"])
def test_links_of_proportions(link):
    data = mm.datasets.load("Contraception")
    model = mm.glmm("use ~ age + urban + (1 | district)", data, "bernoulli", link)
    logit = mm.glmm("use ~ age + urban + (1 | district)", data, "bernoulli")
    assert model.objective == pytest.approx(logit.objective, abs=10)
    assert np.corrcoef(model.fittedvalues, logit.fittedvalues)[0, 1] > 0.98


@pytest.mark.parametrize("link", ["sqrt", "identity"])
def test_links_of_counts(link):
    """One mean for all: links differ by the scale on which the effects are normal, and no more."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(30), 40)
    y = rng.poisson(40 + 4 * rng.normal(size=30)[g]).astype(float)
    model = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "poisson", link)
    log = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "poisson")
    assert model.objective == pytest.approx(log.objective, abs=3)
    assert_allclose(model.fittedvalues, log.fittedvalues, rtol=0.02)


def test_failed_fit_loses_nothing():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, mm.datasets.load("cbpp"), "binomial", fast=True)
    before = model.objective, str(model.optsum)
    with pytest.raises(mm.OptionError):
        model.refit(fast=False, optimizer="nlopt:NOTHING")
    assert (model.objective, str(model.optsum)) == before


def test_table(fitted_glmm):
    text = str(fitted_glmm("verbagg_1"))
    assert (
        "Generalized linear mixed model fit by maximum likelihood (Laplace approximation)" in text
    )
    assert " Family: Bernoulli of r2 = Y, link: logit" in text
    assert "8151.3997" in text and "Residual" not in text


def test_pickle(fitted_glmm):
    model = fitted_glmm("cbpp_1")
    copy = pickle.loads(pickle.dumps(model))
    assert str(copy) == str(model)


def test_shifted_slope_is_the_same_model():
    data = mm.datasets.load("grouseticks")
    formula = "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 + cHEIGHT | LOCATION)"
    one = mm.glmm(formula, data, "poisson")
    two = mm.glmm(formula, data.assign(cHEIGHT=data["cHEIGHT"] + 5000), "poisson")
    assert two.objective == pytest.approx(one.objective, abs=1e-4)
    assert_allclose(two.fittedvalues, one.fittedvalues, rtol=2e-2)


@pytest.mark.parametrize(
    ("response", "family", "options", "message"),
    [
        ("count", "poison", {}, "unknown family 'poison'; did you mean 'poisson'"),
        ("count", "poisson", {"link": "logarithm"}, "unknown link 'logarithm'.*cloglog, identity,"),
        ("negative", "poisson", {}, "the Poisson family needs counts of at least 0.*rows 3"),
        ("count", "bernoulli", {}, "values that are 0 or 1.*rows"),
        ("share", "bernoulli", {}, "values that are 0 or 1"),
        ("share", "binomial", {}, "proportions in 'share' need the number of trials"),
        ("same", "poisson", {}, "'same' is constant"),
        ("count", "poisson", {"information": "fisher"}, "unknown information"),
    ],
)
def test_mistakes_are_explained(response, family, options, message):
    count = np.arange(24) % 5.0
    data = {
        "count": count,
        "negative": np.where(np.arange(24) == 3, -1.0, count),
        "share": count / 4,
        "same": np.ones(24),
        "g": np.repeat(list("abcdef"), 4),
    }
    with pytest.raises(mm.NumbammError, match=message):
        mm.glmm(f"{response} ~ 1 + (1 | g)", data, family, **options)


@pytest.mark.parametrize("fast", [True, False])
def test_save_and_restore(fast, tmp_path):
    data = mm.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, data, "binomial", fast=fast)
    model.save(tmp_path / "fit.json")
    restored = mm.GeneralizedLinearMixedModel(formula, data, "binomial")
    restored.restore(tmp_path / "fit.json")
    assert str(restored) == str(model)
    with pytest.raises(mm.FitError, match="of other parameters"):
        mm.GeneralizedLinearMixedModel(
            "cbind(incidence, size - incidence) ~ 1 + (period | herd)", data, "binomial"
        ).restore(tmp_path / "fit.json")


def test_verbose_shows_pirls_and_the_search(capsys):
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    mm.glmm(formula, mm.datasets.load("cbpp"), "binomial", verbose=True)
    out = capsys.readouterr().out
    assert out.startswith("varyβ = true, obj₀ = ")
    assert "f_1: " in out


@pytest.mark.parametrize("summarised", [False, True])
def test_a_model_is_gone_with_its_last_name(summarised):
    """No cycle of references keeps its arrays until somebody collects garbage."""
    model = mm.glmm(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        mm.datasets.load("cbpp"),
        "binomial",
    )
    if summarised:
        str(model.summary())
    seen = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert seen() is None
    finally:
        gc.enable()
