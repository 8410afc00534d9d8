"""Families with a dispersion, and the negative binomial: against glmmTMB, and by brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import GENERALIZED
from scipy import stats

import numbamm as mm

SLEEP = "Reaction ~ Days + (1 | Subject)"
SLOPES = "Reaction ~ Days + (1 + Days | Subject)"
#: Standard errors of salamanders_nb by glmmTMB 1.1.5, whose log-likelihood is the oracle's.
SALAMANDERS_SE = [0.27416302, 0.28381010, 0.28749003, 0.22346287]
SALAMANDERS_SE += [0.25297641, 0.21908921, 0.21664930, 0.23290481]


@pytest.fixture(scope="module")
def sleep():
    return mm.datasets.load("sleepstudy")


# ---- glmmTMB --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sleep_gamma_log", "sleep_gamma_vec"])
def test_gamma(name):
    oracle = GENERALIZED[name]
    model, expected = mm.glmm(oracle.formula, oracle.frame, "gamma", "log"), oracle.entry["glmmTMB"]
    assert model.objective == pytest.approx(expected["crit"], abs=1e-6)
    assert_allclose(model.beta, expected["beta"], atol=1e-3 * model.bse.min())
    assert model.sigma == pytest.approx(expected["sigma"], rel=1e-4)
    assert model.dispersion == pytest.approx(expected["sigma"] ** 2, rel=2e-4)
    assert_allclose(model.varcorr["Subject"].sd, expected["sd"]["Subject"], rtol=1e-3)
    assert model.n_parameters == oracle.npar
    text = str(model)
    assert "Family: gamma, link: log" in text and "Residual" in text


# By glmmTMB 1.1.5: -2 log-likelihood, standard errors.
GLMMTMB = {
    ("gamma", "log"): (1767.1566734, [0.0322709564, 0.0025064505]),
    ("gamma", "identity"): (1782.03934338, [8.8707407, 0.7668485]),
    ("gaussian", "log"): (1779.3619283, [0.0338990999, 0.0025579797]),
}


@pytest.mark.parametrize(("family", "link"), GLMMTMB)
def test_likelihood_and_standard_errors(family, link, sleep):
    model = mm.glmm(SLEEP, sleep, family, link)
    criterion, se = GLMMTMB[family, link]
    assert model.objective == pytest.approx(criterion, abs=1e-6)
    assert_allclose(model.bse, se, rtol=1e-3)


@pytest.mark.parametrize("information", ["expected", "observed"])
def test_negative_binomial(information):
    oracle = GENERALIZED["salamanders_nb"]
    model = mm.glmm(oracle.formula, oracle.frame, "negativebinomial", information=information)
    if information == "expected":
        expected = oracle.entry["nb"]
        assert model.objective == pytest.approx(expected["criterion"], abs=1e-4)
        assert model.shape == pytest.approx(expected["shape"], rel=1e-4)
    else:
        expected = oracle.entry["glmmTMB"]
        assert model.objective == pytest.approx(expected["crit"], abs=1e-6)
        assert_allclose(model.bse, SALAMANDERS_SE, rtol=1e-3)
    assert_allclose(model.beta, expected["beta"], atol=1e-3 * model.bse.min())
    assert model.n_parameters == oracle.npar
    assert model.dispersion == 1.0
    assert f"Family: negative binomial (shape {model.shape:.5g}), link: log" in str(model)
    held = mm.glmm(
        oracle.formula,
        oracle.frame,
        "Negative Binomial",
        information=information,
        shape=model.shape,
    )
    assert held.objective == pytest.approx(model.objective, abs=1e-6)
    assert held.n_parameters == oracle.npar - 1


def test_shape_without_limit_is_told():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(20), 20)
    data = {"y": rng.binomial(20, 0.3, size=400).astype(float), "g": g}
    with pytest.warns(mm.NumbammWarning, match="vary no more than a Poisson"):
        model = mm.glmm("y ~ 1 + (1 | g)", data, "negativebinomial")
    poisson = mm.glmm("y ~ 1 + (1 | g)", data, "poisson")
    assert model.objective == pytest.approx(poisson.objective, abs=1e-2)


# ---- what must hold -------------------------------------------------------------------------


@pytest.mark.parametrize("fast", [True, False])
def test_gaussian_with_identity_is_the_linear_model(fast, fitted):
    data = mm.datasets.load("sleepstudy")
    linear = fitted(SLOPES, "sleepstudy")
    model = mm.glmm(SLOPES, data, "gaussian", fast=fast)
    assert model.objective == pytest.approx(linear.objective, abs=1e-6)
    assert model.sigma == pytest.approx(linear.sigma, rel=1e-4)
    assert_allclose(model.params, linear.params, rtol=1e-5)
    assert_allclose(model.bse, linear.bse, rtol=1e-4)
    assert_allclose(model.leverage(), linear.leverage(), rtol=1e-3)
    for ours, theirs in zip(model.condvar().values(), linear.condvar().values(), strict=True):
        assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    assert model.n_parameters == linear.n_parameters


@pytest.mark.parametrize(
    ("family", "link", "factor", "scaled"),
    [
        ("gaussian", "inverse", 1000.0, "1 / beta"),
        ("gamma", "inverse", 1000.0, "1 / beta"),
        ("gamma", "identity", 1e-3, "beta"),
        ("inversegaussian", "inverse-squared", 1e4, "1 / beta ** 2"),
        ("gaussian", "sqrt", 100.0, "beta ** 0.5"),
    ],
)
def test_units_of_the_response(family, link, factor, scaled, sleep):
    """Other units of y scale η by a power, and change nothing else."""
    here = mm.glmm(SLEEP, sleep, family, link)
    there = mm.glmm(SLEEP, sleep.assign(Reaction=sleep["Reaction"] * factor), family, link)
    jacobian = 2 * len(sleep) * np.log(factor)
    assert there.objective == pytest.approx(here.objective + jacobian, abs=1e-5)
    power = {"1 / beta": -1, "beta": 1, "1 / beta ** 2": -2, "beta ** 0.5": 0.5}[scaled]
    assert_allclose(there.params / factor**power, here.params, rtol=1e-4)
    assert_allclose(there.tvalues, here.tvalues, rtol=1e-3)
    assert there.is_singular() == here.is_singular()
    assert not here.is_singular()


def test_optimum_is_one_in_phi(sleep):
    """log φ is a parameter of the full fit: at its estimate the objective is at its lowest."""
    model = mm.glmm(SLEEP, sleep, "inversegaussian", "log")
    at, best = model.optsum.final, model.objective
    place = model.optsum.names.index("log(dispersion)")
    for step in (-0.01, 0.01):
        moved = at.copy()
        moved[place] += step
        # The curvature in log φ is n / 2 and more, to the digits of this.
        assert model.objective_at(moved) - best == pytest.approx(len(sleep) * step**2 / 2, rel=0.05)


# ---- brute force ----------------------------------------------------------------------------

DENSITIES = {
    "gamma": lambda y, mu, phi: stats.gamma.logpdf(y, 1 / phi, scale=mu * phi),
    "inversegaussian": lambda y, mu, phi: stats.invgauss.logpdf(y, mu * phi, scale=1 / phi),
    "gaussian": lambda y, mu, phi: stats.norm.logpdf(y, mu, np.sqrt(phi)),
}


def integrated(density, y, g, x, beta, lam, phi):
    """-2 log-likelihood with log link: the integral over each level's effect on a fine grid."""
    u = np.linspace(-9, 9, 4001)
    total = 0.0
    for level in np.unique(g):
        log_f = -(u**2) / 2 - np.log(2 * np.pi) / 2
        for yi, xi in zip(y[g == level], x[g == level], strict=True):
            log_f = log_f + density(
                yi, np.exp(beta[0] + beta[1] * xi + lam * np.sqrt(phi) * u), phi
            )
        total += np.log(np.exp(log_f).sum() * (u[1] - u[0]))
    return -2 * total


@pytest.mark.parametrize("family", DENSITIES)
def test_likelihood_by_brute_force(family):
    """Quadrature converges to the integral; the Laplace approximation is close to it."""
    rng = np.random.default_rng(8)
    g, x = np.repeat(np.arange(6), 4), rng.normal(size=24)
    beta, lam, phi = [0.4, 0.3], 0.9, 0.3
    mu = np.exp(beta[0] + beta[1] * x + 0.5 * rng.normal(size=6)[g])
    draw = {
        "gamma": lambda: rng.gamma(1 / phi, mu * phi),
        "inversegaussian": lambda: rng.wald(mu, 1 / phi),
        "gaussian": lambda: rng.normal(mu, np.sqrt(phi)),
    }
    data = {"y": draw[family](), "x": x, "g": g}
    model = mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, family, "log")
    exact = integrated(DENSITIES[family], data["y"], g, x, beta, lam, phi)
    at, errors = np.array([*beta, np.log(phi), lam]), []
    for k in (1, 5, 11, 31):
        model.optsum.nagq = k
        errors.append(abs(model.objective_at(at) - exact))
    assert errors[0] < 1.5
    assert errors[1] < errors[0]
    assert errors[-1] < 1e-6


def test_information_of_a_row_may_be_negative():
    """Far above the mean, the Gaussian log-likelihood is convex in η = log μ."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(8), 5)
    y = np.exp(0.5 * rng.normal(size=8)[g]) + rng.normal(size=40)
    model = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "gaussian", "log")
    mu = model.fittedvalues
    assert ((2 * mu - y) < 0).any()
    exact = integrated(
        DENSITIES["gaussian"], y, g, np.zeros(40), [model.beta[0], 0.0], model.theta[0],
        model.dispersion,
    )  # fmt: skip
    assert model.objective == pytest.approx(exact, abs=1.5)
    refined = mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "gaussian", "log", nagq=31)
    exact = integrated(
        DENSITIES["gaussian"], y, g, np.zeros(40), [refined.beta[0], 0.0], refined.theta[0],
        refined.dispersion,
    )  # fmt: skip
    assert refined.objective == pytest.approx(exact, abs=1e-5)
