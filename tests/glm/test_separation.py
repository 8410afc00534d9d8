"""Separation, found by a linear programme: completely, in part, or not at all."""

import numpy as np
import pytest

from numbamm.glm.family import FAMILIES
from numbamm.glm.separation import find_separation

RNG = np.random.default_rng(3)
Z, W = RNG.normal(size=(2, 60))
ONE = np.ones(60)


def found(X, y, family=FAMILIES["binomial"]):
    return find_separation(family, np.column_stack(X), np.asarray(y, dtype=float))


def test_by_one_column():
    separation = found([ONE, Z, W], Z > 0.2)
    assert separation.complete and separation.columns == [1]


def test_by_two_columns_together():
    separation = found([ONE, Z, W], Z + W > 0.2)
    assert separation.complete and {1, 2} <= set(separation.columns)


def test_in_part():
    dummy = (np.arange(60) < 20) * 1.0
    y = np.where(dummy > 0, 0, RNG.integers(0, 2, 60))
    separation = found([ONE, dummy, Z], y)
    assert not separation.complete and separation.columns == [1]


def test_of_counts():
    dummy = (np.arange(60) < 20) * 1.0
    y = np.where(dummy > 0, 0, 1 + RNG.poisson(2, 60))
    separation = found([ONE, dummy, Z], y, FAMILIES["poisson"])
    assert not separation.complete and separation.columns == [1]
    assert found([ONE, dummy, Z], y, FAMILIES["gamma"]) is None


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_overlap(scale):
    y = (Z + RNG.normal(size=60)) > 0
    assert found([ONE, scale * Z, W], y) is None


def test_proportions_between_bound_the_direction():
    y = np.where(Z > 0.2, 1.0, 0.0)
    y[np.argmax(Z)] = 0.5
    separation = found([ONE, Z, W], y)
    assert separation is None or not separation.complete


def test_all_that_diverge_are_named():
    """A cell of two factors without successes takes the coefficients along that tell it apart."""
    a, b = np.repeat(np.arange(3), 40), np.tile(np.repeat([0, 1], 20), 3)
    one = np.ones(120)
    X = [one, a == 1, a == 2, b == 1, (a == 1) & (b == 1), (a == 2) & (b == 1)]
    y = np.random.default_rng(1).integers(0, 2, 120)
    for cell, columns in {(2, 1): [5], (1, 0): [1, 4], (0, 0): [0, 1, 2, 3, 4, 5]}.items():
        empty = (a == cell[0]) & (b == cell[1])
        separation = found(X, np.where(empty, 0, y))
        assert separation.columns == columns
        assert np.array_equal(separation.rows, empty)
    several = ((a == 0) & (b == 0)) | ((a == 1) & (b == 1))
    separation = found(X, np.where(several, 0, y))
    assert separation.columns == [0, 1, 2, 3, 4, 5]
    assert np.array_equal(separation.rows, several)


def test_one_separates_what_another_leaves():
    """Rows that no direction separates before others are gone."""
    z = np.r_[np.linspace(-2, -1, 20), np.zeros(40), np.linspace(1, 2, 20)]
    w = np.where(z == 0, np.tile([-1.0, 1.0], 40), 5 * np.tile([1.0, -1.0], 40))
    y = np.where(z == 0, w > 0, z > 0)
    separation = found([np.ones(80), z, w], y)
    assert separation is not None and {1, 2} <= set(separation.columns)
