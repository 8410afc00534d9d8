"""Sums of squares, and columns whose squares do not fit into a number."""

import numpy as np
import pytest

from numbamm.design.magnitude import sums_of_squares
from numbamm.errors import DataError


def name(j):
    return f"column 'c{j}'"


def test_sums_are_those_of_numpy():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(9, 3)), rng.uniform(size=9)
    x[:, 1] = 0.0  # a column of zeros has no size to refuse
    np.testing.assert_allclose(sums_of_squares(x, name), (x**2).sum(axis=0))
    np.testing.assert_allclose(sums_of_squares(x, name, w), w @ x**2)
    assert sums_of_squares(np.empty((9, 0)), name).shape == (0,)


@pytest.mark.parametrize("size", [1e160, 1e-170])
def test_a_column_is_refused_by_name_and_size(size):
    x = np.ones((4, 2)) * [1.0, size]
    with pytest.raises(DataError, match="column 'c1' has values of the size .*other units") as why:
        sums_of_squares(x, name)
    assert f" {size:.1g}," in str(why.value)


def test_weights_may_be_the_cause():
    x, w = np.full((4, 1), 1e140), np.full(4, 1e20)
    assert np.isfinite(sums_of_squares(x, name)).all()
    with pytest.raises(DataError, match="times the weights"):
        sums_of_squares(x, name, w)
