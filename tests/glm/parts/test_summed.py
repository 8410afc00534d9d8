"""Distributions by their probabilities: those of a Poisson distribution."""

import numpy as np
from numpy.testing import assert_allclose
from scipy import stats

from numbamm.glm.parts import summed

MU = np.array([0.01, 2.5, 40.0])
POISSON = stats.poisson(MU)


def test_sums_are_those_of_scipy():
    y = np.array([0.0, 4.0, 33.0])
    assert_allclose(summed.cdf(POISSON.logpmf, y), POISSON.cdf(y), rtol=1e-12)
    assert_allclose(summed.cdf(POISSON.logpmf, y - 50), 0.0)
    for p in (0.001, 0.5, 0.999):
        assert_allclose(summed.quantile(POISSON.logpmf, np.full(3, p)), POISSON.ppf(p))
    mean, variance = summed.moments(POISSON.logpmf, 3)
    assert_allclose(mean, MU, rtol=1e-10)
    assert_allclose(variance, MU, rtol=1e-8)


def test_a_distribution_that_does_not_sum_to_one_ends():
    short = lambda k: np.log(POISSON.pmf(k) * 0.9)  # noqa: E731
    found = summed.quantile(
        lambda k: short(k) if k < 500 else np.full(3, np.log(0.2)), MU * 0 + 0.95
    )
    assert (found <= 500).all()
