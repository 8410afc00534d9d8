"""Simulated responses: moments, reproducibility, and what `refit` makes of them."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
FAMILIES = ["bernoulli", "binomial", "poisson", "negativebinomial", "gamma", "inversegaussian"]
FAMILIES += ["gaussian"]


def test_the_same_seed_gives_the_same_response(fitted):
    model = fitted(SLEEP, "sleepstudy")
    one = model.simulate(3)
    assert_allclose(one, model.simulate(np.random.default_rng(3)))
    assert not np.allclose(one, model.simulate(4))
    assert one.index.equals(model.resid.index)


def test_moments_of_a_linear_model(fitted):
    """Means and covariances of 4,000 draws, each within five standard errors."""
    model, rng = fitted(SLEEP, "sleepstudy"), np.random.default_rng(1)
    draws = np.array([model.simulate(rng)[:10] for _ in range(4000)])
    mean = model.predict(random=False)[:10].to_numpy()
    Z = np.column_stack([np.ones(10), np.arange(10.0)])
    V = Z @ model.varcorr["Subject"].cov @ Z.T + model.sigma**2 * np.eye(10)
    sd = np.sqrt(np.diag(V))
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * sd / np.sqrt(4000)).all()
    error = np.sqrt((np.outer(sd, sd) ** 2 + V**2) / 4000)
    assert (np.abs(np.cov(draws.T) - V) < 5 * error).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_moments_of_families(family):
    """Without random effects: mean μ, variance φ V(μ) / w; within five standard errors."""
    rng = np.random.default_rng(2)
    w = np.full(20_000, 4.0) if family == "binomial" else np.ones(20_000)
    phi = 0.4 if family in ("gamma", "inversegaussian", "gaussian") else 1.0
    mu = 0.3
    start = {"gamma": 1 + rng.uniform(size=20_000), "inversegaussian": 1 + rng.uniform(size=20_000)}
    y = start.get(family, rng.integers(0, 2, 20_000) * 1.0)
    options = {"weights": w} if family == "binomial" else {}
    options |= {"shape": 0.8} if family == "negativebinomial" else {}
    link = {"bernoulli": "logit", "binomial": "logit", "gaussian": "identity"}.get(family, "log")
    if family == "gaussian":
        y = rng.normal(size=20_000)
    model = mm.GeneralizedLinearMixedModel(
        "y ~ 1 + (1 | g)", {"y": y, "g": np.repeat(np.arange(20), 1000)}, family, link, **options
    )
    beta = {"logit": np.log(mu / (1 - mu)), "identity": mu, "log": np.log(mu)}[link]
    parameters = {"sigma": np.sqrt(phi)} if phi != 1 else {}
    draws = model.simulate(rng, beta=[beta], theta=[0.0], **parameters).to_numpy()
    variance = {
        "bernoulli": mu * (1 - mu),
        "binomial": mu * (1 - mu) / 4,
        "poisson": mu,
        "negativebinomial": mu + mu**2 / 0.8,
        "gamma": phi * mu**2,
        "inversegaussian": phi * mu**3,
        "gaussian": phi,
    }[family]
    assert abs(draws.mean() - mu) < 5 * np.sqrt(variance / 20_000)
    spread = np.mean((draws - mu) ** 4) - variance**2
    assert abs(np.mean((draws - mu) ** 2) - variance) < 5 * np.sqrt(spread / 20_000)


def test_refit_finds_the_parameters_again():
    data = mm.datasets.load("VerbAgg")
    model = mm.glmm("r2 ~ 1 + Anger + (1 | id) + (1 | item)", data, "bernoulli", fast=True)
    before, bse = model.params, model.bse
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.refit(model.simulate(5))
    assert_allclose(model.params, before, atol=5 * bse.max())


def test_parameters_by_name(fitted):
    model = fitted(SLEEP, "sleepstudy")
    beta = {"Days": 1.0, "Intercept": 2.0}
    theta = dict(zip(model.theta_names, [0.5, 0.1, 0.2], strict=True))
    found = model.simulate(1, beta=beta, theta=theta, sigma=3.0)
    assert_allclose(found, model.simulate(1, beta=[2.0, 1.0], theta=[0.5, 0.1, 0.2], sigma=3.0))
    with pytest.raises(mm.OptionError, match="beta has no 'Day'; did you mean 'Days'"):
        model.simulate(beta={"Intercept": 1.0, "Day": 2.0})
    with pytest.raises(mm.OptionError, match="beta needs 'Days'"):
        model.simulate(beta={"Intercept": 1.0})


def test_covariances_in_the_place_of_theta(fitted):
    model = fitted(SLEEP, "sleepstudy")
    own = {"Subject": model.varcorr["Subject"].cov}
    assert_allclose(model.simulate(1, cov=own), model.simulate(1))
    singular = {"Subject": [[4.0, 2.0], [2.0, 1.0]]}
    expected = model.simulate(1, theta=[1.0, 0.5, 0.0], sigma=2.0)
    assert_allclose(model.simulate(1, cov=singular, sigma=2.0), expected)
    crossed = fitted("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin")
    expected = crossed.simulate(1, theta=[3.0, 0.5], sigma=2.0)
    assert_allclose(crossed.simulate(1, cov={"sample": 1.0, "plate": 36.0}, sigma=2.0), expected)
    apart = mm.LinearMixedModel(SLEEP.replace("|", "||"), mm.datasets.load("sleepstudy"))
    at = {"beta": [250, 10], "sigma": 25}
    drawn = apart.simulate(1, cov={"Subject": np.diag([400.0, 25.0])}, **at)
    assert_allclose(drawn, apart.simulate(1, theta=[0.8, 0.2], **at))
    for wrong, message in (
        (
            {"Subject": [[1.0, 0.5], [0.5, 1.0]]},
            "cov of 'Subject' has covariances where the model has none",
        ),
        (
            {"Subject": 1.0},
            r"'Subject' has shape \(1, 1\); it needs a row and a column for each of Intercept",
        ),
        ({"Subject": [[1.0, 2.0], [2.0, 1.0]]}, "'Subject' is no covariance matrix"),
        ({"Subjects": 1.0}, "a covariance matrix for each of Subject"),
    ):
        with pytest.raises(mm.OptionError, match=message):
            apart.simulate(1, cov=wrong, **at)
    with pytest.raises(mm.OptionError, match="theta and cov both give the covariance"):
        apart.simulate(1, cov=own, theta=[1.0, 1.0], **at)


def test_an_unfitted_model_at_given_parameters():
    data = mm.datasets.load("sleepstudy")
    model = mm.LinearMixedModel(SLEEP, data)
    found = model.simulate(1, beta=[250.0, 10.0], theta=[1.0, 0.0, 0.2], sigma=25.0)
    assert found.notna().all()
    with pytest.raises(mm.NotFittedError):
        model.simulate(1, beta=[250.0, 10.0], sigma=25.0)
    with pytest.raises(mm.NotFittedError):
        model.simulate(1, beta=[250.0, 10.0], theta=[1.0, 0.0, 0.2])
    known = mm.LinearMixedModel(SLEEP, data, sigma=25.0)
    assert_allclose(known.simulate(1, beta=[250.0, 10.0], theta=[1.0, 0.0, 0.2]), found)


def test_rows_of_the_fit_as_new_data(fitted):
    """The same draws: random effects by level, then residuals by row."""
    model, data = fitted(SLEEP, "sleepstudy"), mm.datasets.load("sleepstudy")
    assert_allclose(model.simulate(1, newdata=data), model.simulate(1))
    part = model.simulate(1, newdata=data[["Days", "Subject"]], re_form="all")
    assert_allclose(part, model.simulate(1, re_form=None))


def test_moments_given_the_random_effects(fitted):
    model, rng = fitted(SLEEP, "sleepstudy"), np.random.default_rng(1)
    draws = np.array([model.simulate(rng, re_form="all") for _ in range(400)])
    z = (draws.mean(axis=0) - model.fittedvalues) / (model.sigma / 20)
    assert (np.abs(z) < 5).all()
    assert_allclose(draws.std(axis=0).mean(), model.sigma, rtol=0.02)


def test_some_factors_keep_their_effects(fitted):
    model = fitted("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin")
    rng = np.random.default_rng(1)
    draws = np.array([model.simulate(rng, re_form=["sample"]) for _ in range(2000)])
    assert_allclose(
        draws.mean(axis=0), model.predict(re_form=["sample"]), atol=5 * 1.02 / 2000**0.5
    )
    variance = model.varcorr["plate"].cov[0, 0] + model.sigma**2
    assert_allclose(draws.var(axis=0).mean(), variance, rtol=0.05)


def test_new_levels_share_their_effects(fitted):
    """Rows of one new level covary, rows of different ones do not; missing rows stay missing."""
    model, rng = fitted(SLEEP, "sleepstudy"), np.random.default_rng(3)
    triples = [level for k in range(40) for level in (f"x{k}", f"x{k}", f"y{k}")]
    new = pd.DataFrame({"Days": 120 * [0.0] + [np.nan], "Subject": [*triples, "308"]})
    draws = np.array([model.simulate(rng, newdata=new, re_form="all") for _ in range(100)])
    assert np.isnan(draws[:, 120]).all()
    draws = draws[:, :120].reshape(4000, 3)
    between, within = model.varcorr["Subject"].cov[0, 0], model.sigma**2
    expected = np.diag(3 * [within + between])
    expected[0, 1] = expected[1, 0] = between
    error = 5 * (within + between) * np.sqrt(2 / 4000)
    assert_allclose(np.cov(draws.T), expected, atol=error)


def test_new_rows_of_counts():
    data = mm.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, data, "binomial", fast=True)
    new = pd.DataFrame({"period": ["1", "2"], "herd": ["1", "new"]}, index=["p", "q"])
    with pytest.raises(mm.OptionError, match="numbers of trials belong to its rows.*give weights="):
        model.simulate(1, newdata=new)
    drawn = model.simulate(1, newdata=new.assign(trials=[7, 9]), weights="trials")
    assert list(drawn.index) == ["p", "q"]
    assert_allclose(drawn * [7, 9], np.round(drawn * [7, 9]))
    with pytest.raises(mm.DataError, match="must be whole"):
        model.simulate(1, newdata=new, weights=[7.5, 9])


def test_mistakes_are_explained(fitted):
    model = fitted(SLEEP, "sleepstudy")
    with pytest.raises(mm.OptionError, match="beta must be 2 finite numbers"):
        model.simulate(beta=[1.0])
    with pytest.raises(
        mm.OptionError, match=r"keeps or draws all random effects of a term.*Days \| Subj"
    ):
        model.simulate(re_form="(1 | Subject)")
    with pytest.raises(mm.OptionError, match="sigma must be a positive number, not -1"):
        model.simulate(sigma=-1)
    with pytest.raises(mm.OptionError, match="seed must be a whole number"):
        model.simulate("x")
    with pytest.raises(mm.DataError, match="no column 'Subject'"):
        model.simulate(newdata={"Days": [1.0]})
    with pytest.raises(mm.OptionError, match="theta must be 3 finite numbers"):
        model.simulate(theta=[1.0, np.nan, 1.0])
    new = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    with pytest.raises(mm.NotFittedError):
        new.simulate()


def test_means_outside_of_the_family():
    """A link that lets means leave the family's range: a line of ours, and no lost bootstrap."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(12), 6)
    y = rng.poisson(np.maximum(1.0 + rng.normal(0, 0.3, 12)[g], 0.1)).astype(float)
    model = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "poisson", "identity", fast=True)
    with pytest.raises(
        mm.DataError,
        match="the link gives a mean outside the range of the Poisson family, such as -",
    ):
        model.simulate(seed=1, theta=[9.0])
    with pytest.raises(mm.OptionError, match="cov of 'g'.* must be numbers"):
        model.simulate(seed=1, cov={"g": "a"})
    limits = model.predict(interval="prediction", seed=1)
    assert (limits["lower"] >= 0).all()
    replicates = model.bootstrap(8, seed=3)
    assert len(replicates.failed) < 8


def test_labelled_covariances_go_by_name(fitted):
    model = fitted("Reaction ~ Days + (1 + Days | Subject)", "sleepstudy")
    names = ["Intercept", "Days"]
    V = pd.DataFrame([[500.0, 10.0], [10.0, 30.0]], names, names)
    turned = V.loc[names[::-1], names[::-1]]
    assert model.simulate(seed=1, cov={"Subject": V}).equals(
        model.simulate(seed=1, cov={"Subject": turned})
    )


@pytest.mark.parametrize("family", ["poisson", "negativebinomial", "bernoulli"])
def test_weights_without_a_part_are_refused(family):
    rng, rows = np.random.default_rng(1), {"x": np.arange(60) % 2, "g": np.arange(60) // 6}
    rows["y"] = rng.integers(0, 2, 60)
    options = {"shape": 2.0} if family == "negativebinomial" else {}
    model = mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", rows, family, **options)
    at = {"beta": [0, 1], "theta": [0.5]}
    said = f"weights do not enter the distribution of {model.family_record} responses"
    for weights in (np.full(60, 3.0), "x"):
        with pytest.raises(mm.OptionError, match=said):
            model.simulate(1, newdata=rows, weights=weights, **at)
        with pytest.raises(mm.OptionError, match=said):
            model.power(design=rows, weights=weights, n=2, **at)
    with pytest.raises(mm.OptionError, match=said):
        at = at | options | {"design": rows, "family": family, "n": 2}
        mm.power("y ~ x + (1 | g)", weights=np.full(60, 3.0), **at)


def test_several_responses(fitted):
    model = fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy")
    drawn = model.simulate(7, n=4)
    assert [*drawn.columns] == ["sim_1", "sim_2", "sim_3", "sim_4"]
    assert drawn.index.equals(model.fittedvalues.index)
    rng = np.random.default_rng(7)
    for name in drawn:  # one after the other from the same generator
        np.testing.assert_array_equal(drawn[name], model.simulate(rng))
    np.testing.assert_array_equal(model.simulate(7, n=1)["sim_1"], model.simulate(7))
    again = copy.deepcopy(model)  # the model is shared, and a twin has its arrays
    assert np.isfinite(again.refit(drawn["sim_2"]).objective)
    new = {"Days": [0, 1, None], "Subject": ["308", "new", "309"]}
    assert model.simulate(1, n=3, newdata=new).isna().sum().tolist() == [1, 1, 1]
    for n in (0, -1, 1.5, "3"):
        with pytest.raises(mm.OptionError, match="n must be"):
            model.simulate(1, n=n)
