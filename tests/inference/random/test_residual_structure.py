"""Parameters of residuals with standard errors, and their covariance matrices."""

import numpy as np
import pytest
from models.residual_side.residual_oracles import ENTRIES, fitted
from models.residual_side.test_side import D
from numpy.testing import assert_allclose, assert_array_equal

import numbamm as mm
from numbamm.errors import NotFittedError, OptionError


def test_visits():
    entry, m = ENTRIES["trial_us_reml"], fitted("trial_us_reml")
    block = entry["residual"]["visits"]["blocks"][0]
    V = m.residual_covariance()
    assert_allclose(V, block["cov"], rtol=1e-3)
    assert_array_equal(V.index, entry["residual"]["visits"]["names"])
    table = m.residual_parameters()
    assert_allclose(table["estimate"].iloc[:5], block["sd"], rtol=1e-3)
    assert (table["se"] > 0).all()


def test_strata():
    entry, m = ENTRIES["trial_us_arm_reml"], fitted("trial_us_arm_reml")
    for block in entry["residual"]["visits"]["blocks"]:
        assert_allclose(m.residual_covariance(block["by"]), block["cov"], rtol=2e-3)
    with pytest.raises(OptionError, match="needs group="):
        m.residual_covariance()


def test_standard_errors_are_those_of_a_direct_likelihood():
    """In (log σ, atanh ρ, log sd of items), by differences of the criterion with σ known."""
    m = mm.lmm("y ~ x + (1 | item)", D, residual="ar1(t | g)", reml=True)
    rho, sigma = m.residual_parameters()["estimate"][["rho", "sigma"]]

    def value(p):
        known = mm.LinearMixedModel(
            "y ~ x + (1 | item)", D, residual="ar1(t | g)", reml=True, sigma=np.exp(p[0])
        )
        return known.objective_at([np.arcsin(p[1]), np.exp(p[2] - p[0])])

    at, h = np.array([np.log(sigma), rho, np.log(sigma * m.theta[0])]), 1e-3
    steps = h * np.eye(3)
    H = [
        [
            value(at + a + b) - value(at + a - b) - value(at - a + b) + value(at - a - b)
            for a in steps
        ]
        for b in steps
    ]
    covariance = 2 * np.linalg.inv(np.array(H) / (4 * h * h))
    expected = np.sqrt(np.diag(covariance))[:2] * [sigma, 1.0]
    assert_allclose(m.residual_parameters()["se"], expected, rtol=1e-3)


def test_groups():
    m = mm.lmm("y ~ x + (1 | item)", D, weights="w", residual="ar1(t | g)", dispersion="~ x")
    V = m.residual_covariance("3")
    assert_array_equal(V.index, D.index[D.g == 3])
    rho = m.residual_parameters()["estimate"]["rho"]
    lag = np.abs(np.subtract.outer(D.t[D.g == 3].to_numpy(), D.t[D.g == 3].to_numpy()))
    d = np.sqrt(np.diag(V))
    assert_allclose(V, np.outer(d, d) * rho**lag)
    with pytest.raises(OptionError, match="needs group=, one of"):
        m.residual_covariance()
    with pytest.raises(OptionError, match="there is no group 'absent'"):
        m.residual_covariance("absent")


def test_one_standard_deviation_a_stratum():
    d = D.assign(half=np.where(D.g < 8, "a", "b"))
    m = mm.lmm("y ~ x", d, residual="homcs(t | g, by=half)")
    table = m.residual_parameters()["estimate"]
    V = m.residual_covariance("b")
    assert_allclose(np.diag(V), table["sd_half=b"] ** 2)
    assert_allclose(V.iloc[0, 1], table["sd_half=b"] ** 2 * table["rho[half=b]"])


def test_a_known_sigma_and_a_singular_fit():
    m = mm.lmm("y ~ x", D, residual="homcs(1 | g)", sigma=1.0)
    assert m.residual_parameters()["se"]["sigma"] == 0
    zero = D.assign(y=D.y - D.groupby("item").y.transform("mean"))
    m = mm.lmm("y ~ x + (1 | item)", zero, residual="homcs(1 | g)")
    assert np.isfinite(m.residual_parameters()["se"]).all()


def test_models_without_a_structure():
    m = mm.LinearMixedModel("y ~ x + (1 | item)", D)
    with pytest.raises(NotFittedError):
        m.residual_parameters()
    m.fit()
    for ask in (m.residual_parameters, m.residual_covariance):
        with pytest.raises(OptionError, match="independent"):
            ask()
