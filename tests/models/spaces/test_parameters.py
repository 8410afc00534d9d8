"""`Parameters`: one vector of coefficients, a nuisance parameter and θ, taken apart."""

import numpy as np
import pytest

from numbamm.models.spaces.parameters import LOG_DISPERSION, LOG_SHAPE, Parameters


def of(nuisance, fast=False, shape=0.0, dispersed=False):
    beta = [] if fast else ["a", "b"]
    return Parameters(fast, beta, nuisance, ["t"], shape, dispersed, (1e-3, 1e6))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("nuisance", [None, LOG_SHAPE, LOG_DISPERSION])
def test_parts(fast, nuisance):
    parameters = of(nuisance, fast, dispersed=nuisance == LOG_DISPERSION)
    x = np.arange(1.0, 1 + len(parameters.names))
    at = parameters.split(x)
    assert len(at.beta) == (0 if fast else 2) and at.theta.tolist() == [x[-1]]
    value = x[0 if fast else 2]
    assert at.shape == pytest.approx(np.exp(value) if nuisance == LOG_SHAPE else 0.0)
    assert at.phi == pytest.approx(np.exp(value) if nuisance == LOG_DISPERSION else 1.0)


def test_a_dispersion_that_is_not_searched_for_is_left_open():
    assert of(None, dispersed=True).split(np.ones(3)).phi is None
    assert of(None, shape=np.inf).split(np.ones(3)).shape == np.inf


@pytest.mark.parametrize("value", [-1e5, 1e5])
def test_numbers_beyond_exponentials(value):
    x = np.array([0.0, 0.0, value, 1.0])
    assert of(LOG_SHAPE).split(x).shape in (1e-3, 1e6)
    assert 0 < of(LOG_DISPERSION, dispersed=True).split(x).phi < np.inf


def test_coefficients_and_theta_are_changed_and_the_rest_stays():
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert of(LOG_SHAPE).changed(x, np.negative, np.sqrt).tolist() == [-1.0, -2.0, 3.0, 2.0]
    assert of(None, fast=True).changed(x[:1], np.negative, np.sqrt).tolist() == [1.0]
