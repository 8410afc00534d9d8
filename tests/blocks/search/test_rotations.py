"""λ as a vector of parameters: there and back, with the triangle that λ has."""

import numpy as np
import pytest
from blocks.dense import dense_lambda, random_theta, rows, structures
from blocks.search.fits import model_of
from numpy.testing import assert_allclose

from numbamm.blocks.search import newton
from numbamm.blocks.search.rotations import fold
from numbamm.blocks.tail.dense_tail import DenseTail

STRUCTURES = structures()


def begun(name):
    terms = STRUCTURES[name]
    theta = random_theta(terms)
    model = model_of(DenseTail(terms, rows()), 120)
    search, state = newton.start(theta, model, 1e-8, 0.0)
    newton.advance(state, search, model, 0)
    return terms, theta, search, state


@pytest.mark.parametrize("name", ["vector", "patterned template", "partly crossed, mixed widths"])
def test_a_search_begins_at_the_theta_that_it_was_given(name):
    _, theta, search, state = begun(name)
    again = np.full(len(theta), np.nan)
    fold(state.x, search.entries, again)
    assert_allclose(again, theta, atol=1e-14)


@pytest.mark.parametrize("name", ["vector", "six columns", "one factor twice"])
def test_a_moved_point_stands_for_a_lower_triangle(name):
    terms, theta, search, state = begun(name)
    state.x[:] += 0.3 * np.random.default_rng(1).normal(size=len(state.x))
    found = np.full(len(theta), np.nan)
    fold(state.x, search.entries, found)
    lam = dense_lambda(terms, found)
    assert np.isfinite(found).all()
    assert_allclose(lam, np.tril(lam))
