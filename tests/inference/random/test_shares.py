"""Principal components, shares of variance, frames of a fit, variance inflation."""

import numpy as np
import oracles
import pandas as pd
import pytest
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


def test_components_agree_with_lme4(sleep):
    oracle = oracles.INFERENCE["repca_sleep"]["result"]["Subject"]
    found = sleep.rePCA()
    np.testing.assert_allclose(found.frame["sd"], oracle["sdev"], rtol=1e-3)
    np.testing.assert_allclose(found.frame["proportion"], oracle["importance_prop"], rtol=2e-3)
    rotation = np.array(oracle["rotation"])
    signs = np.sign(np.diag(rotation) * np.diag(found.loadings["Subject"]))
    np.testing.assert_allclose(found.loadings["Subject"], rotation * signs, atol=1e-3)
    assert found.frame["cumulative"].iloc[-1] == pytest.approx(1)


def test_components_of_correlations(sleep):
    """Of two variables with correlation r they have variances 1 ± r, and equal loadings."""
    r = sleep.varcorr["Subject"].corr[1, 0]
    found = sleep.pca()
    np.testing.assert_allclose(found.frame["sd"] ** 2, [1 + r, 1 - r])
    np.testing.assert_allclose(np.abs(found.loadings["Subject"]), np.sqrt(0.5))


def test_component_of_variance_zero(fitted):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2")
    assert np.isnan(model.pca().frame["proportion"].iloc[0])
    assert "more than the data support" in repr(model.rePCA())


def test_components_of_several_terms():
    rows = oracles.dataset("sleepstudy")
    formula = "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)"
    model = mm.lmm(formula, rows, amalgamate=False)
    assert list(model.pca().loadings) == ["Subject", "Subject (2)"]


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


def test_tidy(sleep):
    frame = mm.tidy(sleep, ddf="satterthwaite")
    assert frame.columns.tolist() == [
        "effect", "group", "term", "estimate", "se", "df", "statistic", "pvalue", "lower", "upper",
    ]  # fmt: skip
    fixed = frame[frame["effect"] == "fixed"].set_index("term")
    np.testing.assert_allclose(fixed["estimate"], sleep.params)
    np.testing.assert_allclose(fixed["df"], 17, atol=1e-2)
    random = frame[frame["effect"] == "random"].set_index(["group", "term"])["estimate"]
    assert random["Subject", "sd Days"] == sleep.varcorr["Subject"].sd[1]
    assert random["Subject", "corr Intercept Days"] == sleep.varcorr["Subject"].corr[1, 0]
    assert random["Residual", "sd Observation"] == sleep.sigma
    assert sleep.tidy("fixed")["effect"].unique().tolist() == ["fixed"]
    with pytest.raises(mm.OptionError, match="effects must be one of fixed, random"):
        sleep.tidy("conditional")


def test_glance(sleep, cbpp):
    line = sleep.glance().iloc[0]
    for name in ("nobs", "llf", "objective", "aic", "aicc", "bic", "df_resid", "sigma"):
        assert line[name] == getattr(sleep, name)
    assert line["npar"] == 6 and line["reml"] and not line["singular"]
    both = pd.concat([sleep.glance(), cbpp.glance()], ignore_index=True)
    assert both["nobs"].tolist() == [180, 56]


def test_variance_inflation():
    """Of single columns: the diagonal of the inverse of the correlations."""
    rng = np.random.default_rng(5)
    rows = oracles.dataset("sleepstudy").assign(
        a=rng.normal(size=180), b=lambda d: d["a"] + rng.normal(size=180)
    )
    model = mm.lmm("Reaction ~ Days + a + b + (1 | Subject)", rows)
    corr = model.corr_params().to_numpy()[1:, 1:]
    found = model.vif().to_frame()
    np.testing.assert_allclose(found["gvif"], np.diag(np.linalg.inv(corr)))
    np.testing.assert_allclose(found["root"], np.sqrt(found["gvif"]))
    assert found.index.tolist() == ["Days", "a", "b"]
    assert found.loc["a", "gvif"] > 1.5 > found.loc["Days", "gvif"]


def test_inflation_of_factors_does_not_depend_on_coding(fitted):
    rows = oracles.dataset("cake").iloc[7:]
    formula = "angle ~ recipe + temperature + (1 | recipe:replicate)"
    plain = mm.lmm(formula, rows).vif().to_frame()
    coded = mm.lmm(formula, rows, contrasts={"recipe": "sum", "temperature": "sum"}).vif()
    np.testing.assert_allclose(coded.to_frame(), plain, rtol=1e-5)
    assert plain["ncoef"].tolist() == [2, 5]
    with pytest.raises(mm.OptionError, match="takes two terms"):
        fitted(SLEEP, "sleepstudy").vif()
