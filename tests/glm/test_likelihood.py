"""The Laplace approximation with every constant, and φ, against scipy and dense matrices."""

import numpy as np
import pytest
from glm.small import KINDS, SHAPE, Small
from scipy.optimize import minimize_scalar

from numbamm.glm.likelihood import Likelihood


@pytest.mark.parametrize("kind", KINDS)
def test_laplace_is_the_height_and_the_curvature_at_the_mode(kind):
    """The integrand's logarithm at its mode, by the family's density, less half log|H / 2π|."""
    it = Small(kind, "vector")
    mode = it.modes(it.theta, it.gamma, vary=False, shape=SHAPE)
    phi = it.likelihood.dispersion(mode)
    assert phi == 1.0 or it.family.dispersed
    u, ZL = it.u(), it.ZL(it.theta)
    eta = it.eta(it.theta, it.gamma, u)
    deviance = it.w @ it.family.deviances(it.link, SHAPE, it.y, eta)
    height = deviance / phi + it.family.constant(it.y, it.w, SHAPE, phi)
    height += u @ u / phi + len(u) * np.log(2 * np.pi * phi)  # N(0, φI)
    H = (ZL.T @ (it.weights(eta)[:, None] * ZL) + np.eye(len(u))) / phi
    expected = height + np.linalg.slogdet(H / (2 * np.pi))[1]
    assert it.likelihood.laplace(mode, SHAPE) == pytest.approx(expected, rel=1e-9)


def test_the_dispersion_is_the_best_one():
    it = Small("gamma", "vector")
    mode = it.modes(it.theta, it.gamma, vary=False)
    best = minimize_scalar(
        lambda log_phi: it.likelihood.laplace(mode, 0.0, np.exp(log_phi)),
        bounds=(-8, 8),
        options={"xatol": 1e-9},
    )
    assert np.log(it.likelihood.dispersion(mode)) == pytest.approx(best.x, abs=1e-5)
    assert it.likelihood.is_perfect(1e-20) and not it.likelihood.is_perfect(0.1)
    assert np.isnan(it.likelihood.laplace(mode, 0.0, 1e-20))


@pytest.mark.parametrize("kind", ["gamma", "negative binomial"])
def test_the_slope_in_a_nuisance_parameter_is_that_of_differences(kind):
    """Less the part through the means, which stay at this mode."""
    it, h = Small(kind, "vector"), 1e-5
    mode = it.modes(it.theta, it.gamma, vary=False, shape=SHAPE)
    value = {"gamma": (0.0, 0.4), "negative binomial": (SHAPE, 1.0)}[kind]
    found = it.likelihood.log_slope(mode, *value)
    moved = [
        it.likelihood.laplace(mode, value[0] * np.exp(s * h), value[1])
        if kind != "gamma"
        else it.likelihood.laplace(mode, 0.0, value[1] * np.exp(s * h))
        for s in (-1, 1)
    ]
    assert found == pytest.approx((moved[1] - moved[0]) / (2 * h), rel=1e-6)


def test_counts_are_taken_by_their_values():
    it = Small("negative binomial")
    whole = it.family.constant(it.y, it.w, SHAPE, 1.0)
    assert it.likelihood.saturated(SHAPE, 1.0) == pytest.approx(whole, rel=1e-12)
    assert len(it.likelihood._counts[0]) < len(it.y)


def test_the_scale_follows_the_units_of_the_response():
    it = Small("gamma")
    other = Likelihood(it.family, 1e6 * it.y, it.w)
    assert other.scale == pytest.approx(it.likelihood.scale)  # V is μ²
    np.testing.assert_allclose(other.working_root(it.link), it.likelihood.working_root(it.link))
