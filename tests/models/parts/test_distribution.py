"""Distributions of rows: mixtures with zeros, quantiles and draws."""

import numpy as np
import pytest
from glm.parts.part_families import ALL, parameters

from numbamm.glm.family import FAMILIES
from numbamm.glm.parts.mixture import HURDLE, INFLATED, PLAIN
from numbamm.models.parts.distribution import RowDistribution

N = 20_000
CASES = [("nbinom1", INFLATED), ("truncated_poisson", HURDLE), ("gamma by density", HURDLE)]
CASES += [("tweedie", PLAIN), ("ordbeta", PLAIN), ("compois", INFLATED)]


def law(name, kind, n=N):
    family = ALL[name]
    p = {k: np.full(n, v) for k, v in parameters(family).items()}
    mu = np.full(n, 0.4 if family.unit else 1.7)
    zero = np.full(n, 0.0 if kind == PLAIN else 0.3)
    return RowDistribution(family, kind, mu, np.ones(n), p, zero)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_draws_have_these_moments(name, kind):
    of = law(name, kind)
    y = of.draw(np.random.default_rng(6))
    error = np.sqrt(of.variance()[0] / N)
    assert abs(y.mean() - of.mean()[0]) < 5 * error
    assert y.var() == pytest.approx(of.variance()[0], rel=0.1)
    assert np.mean(y == 0) == pytest.approx(of.zeros()[0], abs=0.015)
    for at in (0.0, float(np.median(y)), float(np.quantile(y, 0.9))):
        assert np.mean(y <= at) == pytest.approx(of.cdf(np.full(N, at))[0], abs=0.015)
        assert np.mean(y < at) == pytest.approx(of.below(np.full(N, at))[0], abs=0.015)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_quantiles_are_inverse_to_the_distribution_function(name, kind):
    of = law(name, kind, 5)
    p = np.array([0.05, 0.31, 0.5, 0.9, 0.99])
    q = of.quantile(p)
    assert (of.cdf(q) >= p - 1e-9).all()
    assert (of.below(q) <= p + 1e-9).all()


def test_the_mean_of_an_ordered_beta_response_counts_its_ends():
    """It is the area above the distribution function, and not the mean of the beta part."""
    family, mu = FAMILIES["ordbeta"], np.array([0.1, 0.45, 0.9])
    y = (np.arange(4000) + 0.5) / 4000
    parameters = {"precision": 3.0, "lower": -1.2, "log_gap": 0.8}
    above = 1 - family.cdf(y[:, None], mu, *parameters.values())
    mean = family.expectation(mu, parameters["lower"], parameters["log_gap"])
    np.testing.assert_allclose(mean, above.mean(axis=0), atol=1e-5)
    assert (np.abs(mean - mu) > 0.003).all()
