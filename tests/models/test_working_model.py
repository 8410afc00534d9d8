"""The linear mixed model of a working response: at the estimates it has those estimates."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.models.working_model import working_model


def test_its_response_and_weights_are_those_of_the_definition(cbpp):
    eta = np.linspace(-2, 1, cbpp.nobs)
    working = working_model(cbpp, eta, 0.0)
    mu = 1 / (1 + np.exp(-eta))
    V = mu * (1 - mu)
    assert_allclose(working.frame.y, eta + (cbpp.frame.y - mu) / V)
    assert_allclose(working.frame.weights, cbpp.prior_weights * V)


def test_at_the_mode_it_has_the_models_effects(cbpp):
    cbpp.fit(fast=True)
    working = working_model(cbpp, cbpp.estimates.eta, 0.0)
    working.optsum.sigma = 1.0
    working.optsum.initial = cbpp.theta
    working.optsum.lowerbd = working.optsum.upperbd = cbpp.theta
    working.fit()
    assert_allclose(working.params, cbpp.params, rtol=1e-6)
    assert_allclose(working.b[0], cbpp.b[0], atol=1e-6)


def test_rows_at_a_limit_have_no_information(cbpp):
    eta = np.where(np.arange(cbpp.nobs) == 7, -800.0, -1.0)
    working = working_model(cbpp, eta, 0.0)
    weights = working.frame.weights
    assert 0 < weights[7] < 1e-20 * weights.max() and working.frame.y[7] == -800.0
    with pytest.raises(mm.FitError, match="all fitted means are at a limit"):
        working_model(cbpp, np.full(cbpp.nobs, -800.0), 0.0)
