"""Zero-truncated counts: moments, quantiles and draws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from numbamm.glm.family import FAMILIES

MU = np.array([1e-9, 0.3, 4.0])


@pytest.mark.parametrize("name", ["truncated_poisson", "truncated_nbinom1", "truncated_nbinom2"])
def test_moments_are_sums(name):
    family, y = FAMILIES[name], np.arange(1.0, 600.0)[:, None]
    at = {} if name == "truncated_poisson" else {family.parameters[0].name: np.full(3, 1.4)}
    known = {"mu": MU, "w": np.ones(3), "shape": at}
    step = np.diff([family._given(family.cdf, y=k, **known) for k in (y - 1, y)], axis=0)[0]
    mean = (y * step).sum(axis=0)
    assert_allclose(step.sum(axis=0), 1.0, rtol=1e-5)  # of a mean of 1e-9, scipy loses digits
    assert_allclose(family._given(family.expectation, **known), mean, rtol=1e-5)
    spread = (y**2 * step).sum(axis=0) - mean**2
    assert_allclose(family._given(family.variance, **known), spread, rtol=1e-4, atol=1e-7)
    assert_allclose(family._given(family.zero, **known), 0.0)
    low = family._given(family.quantile, p=1e-9, **known)
    assert (low == 1).all()
    many = {"mu": np.full(20_000, 0.3), "w": 1.0}
    many["shape"] = {k: np.full(20_000, 1.4) for k in at}
    drawn = family._given(family.draw, rng=np.random.default_rng(1), **many)
    assert drawn.min() >= 1
    assert drawn.mean() == pytest.approx(mean[1], rel=0.02)


def test_a_truncated_poisson_distribution_is_that_of_scipy():
    family, y = FAMILIES["truncated_poisson"], np.array([1.0, 2.0, 5.0])
    known = (stats.poisson.cdf(y, 2.0) - np.exp(-2)) / -np.expm1(-2)
    found = family._given(family.cdf, y=y, mu=np.full(3, 2.0), w=np.ones(3), shape={})
    assert_allclose(found, known)
