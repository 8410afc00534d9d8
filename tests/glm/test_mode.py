"""Modes: where the penalised score vanishes, and not sought again where they are known."""

import numpy as np
import pytest
from glm.small import KINDS, SHAPE, Small
from numpy.testing import assert_allclose, assert_array_equal

import numbamm as mm


def test_a_mode_that_is_known_is_not_sought_again(fitted_glmm):
    modes = fitted_glmm("verbagg_1")._modes.replaced()
    theta, gamma = np.array([1.2, 0.5]), np.zeros(6)
    first = modes(theta, gamma, vary=True)
    u = modes.u
    again = modes(theta, gamma, vary=True)
    held = modes(theta, gamma, vary=False)
    assert first.iterations > 1
    assert (again.iterations, held.iterations) == (0, 0)
    assert modes.u is u
    assert (again.deviance, again.logdet) == pytest.approx((first.deviance, first.logdet))
    modes(theta, gamma + 0.1, vary=False)
    assert modes(theta, gamma + 0.1, vary=True).iterations > 1  # that was no mode of γ
    modes.u = np.zeros(len(u))
    assert modes(theta, gamma, vary=True).iterations > 1


@pytest.mark.parametrize("fixed", ["0", "1"])
def test_what_is_written_into_random_effects_changes_nothing_else(fixed):
    formula = f"cbind(incidence, size - incidence) ~ {fixed} + (1 | herd)"
    ours, other = (
        mm.glmm(formula, mm.datasets.load("cbpp"), "binomial", fast=True) for _ in range(2)
    )
    ours.u[0][:] = ours.b[0][:] = 3.0
    assert_allclose(ours.condvar()["herd"], other.condvar()["herd"], rtol=1e-9)
    assert_allclose(ours.leverage(), other.leverage(), rtol=1e-9)
    assert_allclose(ours.bse, other.bse, rtol=1e-9)


each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
@pytest.mark.parametrize("vary", [False, True])
@pytest.mark.parametrize("name", ["vector", "crossed sparsely, vectors", "nested"])
def test_the_penalised_score_vanishes_at_the_mode(kind, vary, name):
    """And deviance, penalty and determinant are what dense matrices say."""
    it = Small(kind, name)
    gamma = it.gamma.copy()
    mode = it.modes(it.theta, gamma, vary=vary, shape=SHAPE)
    assert mode.found
    u, ZL = it.u(), it.ZL(it.theta)
    eta = it.eta(it.theta, gamma, u)
    score = it.score(eta)
    assert_allclose(ZL.T @ score, u, atol=1e-6)
    if vary:
        assert_allclose(it.basis.T @ score, 0.0, atol=1e-6)
    else:
        assert_array_equal(gamma, it.gamma)
    deviances = it.w * it.family.deviances(it.link, SHAPE, it.y, eta)
    assert mode.deviance == pytest.approx(deviances.sum(), rel=1e-9)
    assert mode.penalty == pytest.approx(u @ u, rel=1e-6)
    omega = ZL.T @ (it.weights(eta)[:, None] * ZL) + np.eye(len(u))
    assert mode.logdet == pytest.approx(np.linalg.slogdet(omega)[1], rel=1e-7)


def test_without_terms_it_is_the_generalized_linear_model():
    it = Small("counts")
    gamma = it.gamma.copy()
    glm = it.modes.without_terms()
    assert glm(np.zeros(0), gamma, vary=True, shape=SHAPE).found
    assert_allclose(it.basis.T @ it.score(it.offset + it.basis @ gamma), 0.0, atol=1e-8)


def test_a_finder_of_another_response_begins_anew_and_leaves_the_first():
    it = Small("counts")
    it.modes(it.theta, it.gamma, vary=False, shape=SHAPE)
    before = it.u()
    other = it.modes.replaced(y=it.y[::-1].copy())
    assert not other.u.any()
    other(it.theta, it.gamma, vary=False, shape=SHAPE)
    assert not np.allclose(it.u(other), before)
    assert_array_equal(it.u(), before)
