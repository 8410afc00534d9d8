"""Simulated responses: moments, reproducibility, and what `refit` makes of them."""

import warnings

import numpy as np
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


def test_mistakes_are_explained(fitted):
    model = fitted(SLEEP, "sleepstudy")
    with pytest.raises(mm.OptionError, match="beta must be 2 finite numbers"):
        model.simulate(beta=[1.0])
    with pytest.raises(mm.OptionError, match="theta must be 3 finite numbers"):
        model.simulate(theta=[1.0, np.nan, 1.0])
    new = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    with pytest.raises(mm.NotFittedError):
        new.simulate()
