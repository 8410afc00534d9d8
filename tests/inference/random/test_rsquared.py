"""`r2` and `icc`: shares of variance of linear and generalized models."""

import numpy as np
import oracles
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import polygamma

import numbamm as mm

SLEEP = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture
def sleep(fitted):
    return fitted(SLEEP, "sleepstudy", reml=True)


@pytest.fixture(scope="module")
def ticks():
    rows = oracles.dataset("grouseticks")
    rows = rows.assign(height=(rows["HEIGHT"] - rows["HEIGHT"].mean()) / rows["HEIGHT"].std())
    formula = "TICKS ~ YEAR + height + (1 | BROOD) + (1 | INDEX)"
    return mm.glmm(formula, rows, "poisson", fast=True)


@pytest.fixture(scope="module")
def cbpp():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return mm.glmm(formula, oracles.dataset("cbpp"), "binomial", fast=True)


def test_shares_of_a_linear_model(sleep):
    """The published R² of this model; random slopes count by their average over the rows."""
    found = sleep.r2().to_frame()["R2"]
    np.testing.assert_allclose(found, [0.279, 0.799], atol=5e-4)
    days = oracles.dataset("sleepstudy")["Days"]
    z = np.column_stack([np.ones(180), days])
    random = np.mean(np.einsum("na,ab,nb->n", z, sleep.varcorr["Subject"].cov, z))
    fixed = np.var(sleep.beta[1] * days, ddof=1)
    total = fixed + random + sleep.sigma**2
    np.testing.assert_allclose(found, [fixed / total, (fixed + random) / total])
    icc = sleep.icc().to_frame()
    assert icc.loc["Subject", "adjusted"] == pytest.approx(random / (random + sleep.sigma**2))
    assert icc.loc["all", "unadjusted"] == pytest.approx(random / total)


def test_classical_intraclass_correlation(fitted):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff", reml=True)
    batch, residual = model.varcorr["Batch"].variances[0], model.sigma**2
    expected = batch / (batch + residual)
    np.testing.assert_allclose(model.icc().to_frame(), expected)
    np.testing.assert_allclose(model.r2().to_frame()["R2"], [0, expected])


def test_shares_of_probabilities(cbpp):
    """Logits are those of a logistic variable, of variance π²/3."""
    fixed = np.var(cbpp.frame.X @ cbpp.beta, ddof=1)
    herd = cbpp.varcorr["herd"].variances[0]
    total = fixed + herd + np.pi**2 / 3
    np.testing.assert_allclose(cbpp.r2().to_frame()["R2"], [fixed / total, (fixed + herd) / total])


@pytest.mark.parametrize("method", ["lognormal", "delta", "trigamma"])
def test_shares_of_counts(ticks, method):
    """Nakagawa, Johnson & Schielzeth's λ = exp(β₀ + τ²/2) of the model without predictors."""
    theta, beta = ticks.theta.copy(), ticks.beta.copy()
    formula = "TICKS ~ 1 + (1 | BROOD) + (1 | INDEX)"
    null = mm.glmm(formula, oracles.dataset("grouseticks"), "poisson", fast=True)
    mean = np.exp(null.beta[0] + sum(t.variances[0] for t in null.varcorr.terms) / 2)
    residual = {"lognormal": np.log1p(1 / mean), "delta": 1 / mean, "trigamma": polygamma(1, mean)}
    fixed = np.var(ticks.frame.X @ ticks.beta, ddof=1)
    random = sum(t.variances[0] for t in ticks.varcorr.terms)
    total = fixed + random + residual[method]
    found = ticks.r2(method=method)
    expected = [fixed / total, (fixed + random) / total]
    np.testing.assert_allclose(found.to_frame()["R2"], expected, rtol=1e-4)
    assert method in repr(found)
    np.testing.assert_array_equal(ticks.theta, theta)  # the model is left as it is
    np.testing.assert_array_equal(ticks.beta, beta)


def test_shares_of_a_gamma_model():
    rows = oracles.dataset("sleepstudy")
    model = mm.glmm("Reaction ~ 1 + (1 | Subject)", rows, "gamma", "log", fast=True)
    subject = model.varcorr["Subject"].variances[0]
    expected = subject / (subject + np.log1p(model.dispersion))
    np.testing.assert_allclose(model.icc().to_frame(), expected)
    expected = subject / (subject + polygamma(1, 1 / model.dispersion))
    np.testing.assert_allclose(model.icc(method="trigamma").to_frame(), expected)


def test_square_root_link():
    """Counts have variance 1/4 on the scale of their square root."""
    rows = oracles.dataset("grouseticks")
    formula = "TICKS ~ 1 + (1 | BROOD) + (1 | INDEX)"
    model = mm.glmm(formula, rows, "poisson", "sqrt", fast=True)
    random = sum(t.variances[0] for t in model.varcorr.terms)
    assert model.icc().to_frame().loc["all", "adjusted"] == pytest.approx(random / (random + 0.25))


def test_unknown_method(sleep):
    with pytest.raises(mm.OptionError, match="method must be one of"):
        sleep.r2(method="log")


@pytest.mark.parametrize("weight", [1.0, 1e-30])
def test_what_the_fixed_effects_leave_is_not_lost_in_rounding(weight):
    """σ² is of rows of weight one: with tiny weights it vanishes in a sum with that of Xβ."""
    x, noise = np.arange(24.0), np.tile([1.0, -1.0, -1.0, 1.0], 6)
    data = {"y": x + noise, "x": x, "g": np.repeat(np.arange(6), 4), "w": np.full(24, weight)}
    found = mm.lmm("y ~ x + (1 | g)", data, weights="w").icc().frame
    assert (found == 0).all(axis=None)


@pytest.mark.parametrize("argument", ["cov", "precision"])
@pytest.mark.parametrize("effects", ["(1 | g)", "(1 + x | g)", "(1 | g) + (1 | h)"])
def test_known_covariances_of_any_scale(argument, effects):
    """The variance of Zb in the rows; that of λ alone changes with the unit of K."""
    rng = np.random.default_rng(4)
    levels = [f"l {i}" for i in range(15)]
    half = rng.normal(size=(15, 20)) * np.linspace(0.5, 2, 15)[:, None]
    K = pd.DataFrame(half @ half.T / 20, levels, levels)
    d = pd.DataFrame({"g": rng.choice(levels[1:], 60), "h": rng.choice(list("abc"), 60)})
    d["x"] = rng.normal(size=60)
    b = pd.Series(half @ rng.normal(size=20) / 3, levels)
    d["y"] = d.x + d.g.map(b) * (1 + d.x) + rng.normal(size=60)
    found = []
    for unit in (1.0, 1e6):
        given = K * unit
        if argument == "precision":
            given = pd.DataFrame(np.linalg.inv(given), levels, levels)
        m = mm.lmm(f"y ~ x + {effects}", d, **{argument: {"g": given}})
        found.append((m.r2().frame["R2"].to_numpy(), m.icc().frame["adjusted"]))
    assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    assert_allclose(found[0][1], found[1][1], rtol=1e-5)
    diagonal = unit * K.loc[d.g, d.g].to_numpy().diagonal()
    z = np.vstack([np.ones(60), d.x])[: m.varcorr["g"].cov.shape[0]]
    own = np.mean(np.einsum("an,ab,bn->n", z, m.varcorr["g"].cov, z) * diagonal)
    other = m.varcorr["h"].cov.item() if "h" in effects else 0.0
    assert_allclose(found[1][1]["g"], own / (own + other + m.sigma**2), rtol=1e-6)
    assert "diagonal" in str(m.heritability("g"))
