"""Modes: where the penalised score vanishes, and not sought again where they are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

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
