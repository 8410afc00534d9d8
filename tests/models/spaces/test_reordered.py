"""Columns in another order, where λ has a curved valley: the same model, and no valley."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.models.spaces.reordered import _is_curved, _pivots, straightened

RNG = np.random.default_rng(7)
G = RNG.integers(0, 12, 150)
X, Z = RNG.normal(size=(2, 150))
DATA = {"x": X, "z": Z, "g": G, "y": X * RNG.normal(size=12)[G] + RNG.normal(size=150)}


def at(theta, formula="y ~ x + (1 + x + z | g)"):
    model = mm.LinearMixedModel(formula, DATA)
    model.set_estimates(np.array(theta), None)
    return model


def test_an_ordinary_lambda_stays_as_it_is():
    assert straightened(at([1.0, 0.3, -0.2, 0.8, 0.1, 0.5])) is None
    assert straightened(at([0.0] * 6)) is None
    assert straightened(at([1e-6], "y ~ x + (1 | g)")) is None


@pytest.mark.parametrize(
    "theta", [[1e-3, 0.9, -0.4, 0.3, 0.2, 0.1], [0.5, 0.1, 0.0, 1e-4, 0.7, 0.2]]
)
def test_the_same_model_without_a_valley(theta):
    model = at(theta)
    other = model.in_columns(straightened(model))
    assert other.objective_at(theta) == pytest.approx(model.objective_at(theta), abs=1e-8)
    other.set_estimates(np.array(theta), None)
    [lam] = other.scaled.structure.matrices(other.scaled.to_scaled(other.theta))
    assert not _is_curved(lam * other.scaled.sizes[0][:, None])


def test_pivots_take_the_largest_variance_that_is_left():
    root = RNG.normal(size=(4, 4)) * [1.0, 10.0, 0.1, 3.0]
    P = root.T @ root
    order = _pivots(P)
    pivots = np.diag(np.linalg.cholesky(P[np.ix_(order, order)])) ** 2
    assert sorted(order) == [0, 1, 2, 3] and (np.diff(pivots) <= 1e-12).all()
