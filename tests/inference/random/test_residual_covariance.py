"""Covariance matrices of residuals: of visits, strata and groups."""

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


def test_strata():
    entry, m = ENTRIES["trial_us_arm_reml"], fitted("trial_us_arm_reml")
    for block in entry["residual"]["visits"]["blocks"]:
        assert_allclose(m.residual_covariance(block["by"]), block["cov"], rtol=2e-3)
    with pytest.raises(OptionError, match="needs group="):
        m.residual_covariance()


def test_groups():
    m = mm.lmm("y ~ x + (1 | item)", D, weights="w", residual="ar1(t | g)", dispersion="~ x")
    V = m.residual_covariance("3")
    assert_array_equal(V.index, D.index[D.g == 3])
    rho = m.residual_side.parameters(m.residual_side.phi, m.sigma)["rho"]
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
    table = m.residual_side.parameters(m.residual_side.phi, m.sigma)
    V = m.residual_covariance("b")
    assert_allclose(np.diag(V), table["sd_half=b"] ** 2)
    assert_allclose(V.iloc[0, 1], table["sd_half=b"] ** 2 * table["rho[half=b]"])


def test_models_without_a_structure():
    m = mm.LinearMixedModel("y ~ x + (1 | item)", D)
    with pytest.raises(NotFittedError):
        m.residual_covariance()
    with pytest.raises(OptionError, match="independent"):
        m.fit().residual_covariance()
