"""`model.plot.qq`: its points, and where they should be."""

import numpy as np
import pytest
from drawn import offsets
from numpy.testing import assert_allclose
from scipy.special import ndtri


def test_qq_of_a_linear_model(sleep):
    drawn = offsets(sleep.plot.qq())
    n = sleep.nobs
    assert_allclose(drawn[:, 1], np.sort(sleep.influence()["studentized"]))
    assert_allclose(drawn[:, 0], ndtri((np.arange(1, n + 1) - 0.5) / n))


@pytest.mark.parametrize("name", ["cbpp", "verbagg"])
def test_qq_of_a_generalized_model_is_near_the_diagonal(name, request):
    model = request.getfixturevalue(name)
    drawn = offsets(model.plot.qq(seed=3))
    assert_allclose(drawn, offsets(model.plot.qq(seed=3)))
    assert not np.array_equal(drawn, offsets(model.plot.qq(seed=4)))
    middle = np.abs(drawn[:, 0]) < 1
    assert np.abs(drawn[middle, 1] - drawn[middle, 0]).max() < 0.5
