"""`DenseTail`: a factor is computed once, and again when something else is asked for."""

import numpy as np
import pytest
from blocks.dense import random_theta
from blocks.examples import STRUCTURES, built, each_structure, evaluate, evaluate_gradient

from numbamm.blocks.tail.dense_tail import DenseTail

# ---- the factor that a workspace holds -------------------------------------------------------


def factor(blocks):
    """What follows from the factor: that is what its readers see."""
    solution = blocks.solve()
    return np.concatenate([*(b.ravel() for b in solution.b), solution.gamma])


@each_structure
@pytest.mark.parametrize("by", [evaluate, evaluate_gradient])
def test_a_factor_at_hand_is_taken(name, by, monkeypatch):
    terms, xy, blocks = built(name)
    theta = random_theta(terms)
    _, _, other = built(name)
    other.factorize(theta)
    by(blocks, theta, xy)
    monkeypatch.setattr(DenseTail, "objective", lambda *_: pytest.fail("factored again"))
    blocks.factorize(theta)
    np.testing.assert_array_equal(factor(blocks), factor(other))


@each_structure
def test_a_factor_of_something_else_is_not_taken(name):
    terms, xy, blocks = built(name)
    theta, y = random_theta(terms), xy[::-1, -1].copy()
    blocks.factorize(theta)
    before = factor(blocks)
    blocks.factorize(theta / 2)
    assert not np.allclose(factor(blocks), before)
    blocks.factorize(theta)
    np.testing.assert_array_equal(factor(blocks), before)
    blocks.new_response(y)
    blocks.factorize(theta)
    _, _, other = built(name)
    other.new_response(y)
    other.factorize(theta)
    np.testing.assert_array_equal(factor(blocks), factor(other))


def test_a_factor_that_failed_is_not_taken():
    terms, xy, blocks = built(next(iter(STRUCTURES)))
    theta = np.full(len(random_theta(terms)), 1e200)
    with np.errstate(all="ignore"):
        assert not np.isfinite(evaluate(blocks, theta, xy))
        with pytest.raises(FloatingPointError):
            blocks.factorize(theta)
