"""λ as a vector of parameters: there and back, with the triangle that λ has."""

import numba
import numpy as np
import pytest
from blocks.dense import dense_lambda, random_theta, rows, structures
from blocks.search.fits import model_of
from numpy.testing import assert_allclose

from numbamm.blocks.search import newton
from numbamm.blocks.search.rotations import MANY, fold, hold_rotations
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


@numba.njit
def held(state, search):
    hold_rotations(state, search)


@pytest.mark.parametrize("name", ["vector", "six columns", "partly crossed, mixed widths"])
def test_rotations_get_a_large_curvature_and_others_keep_theirs(name):
    """Whether they are held one by one or together."""
    _, _, search, state = begun(name)
    n, entries, rng = len(state.x), search.entries, np.random.default_rng(3)
    state.x[:] = rng.normal(size=n)
    root = rng.normal(size=(n, n))
    state.H[:] = H = root @ root.T
    rows = []
    for k, i, j in zip(*entries[:3, entries[1] < entries[2]], strict=True):
        v = np.zeros(n)
        for row in np.unique(entries[1, entries[0] == k]):
            at = [np.flatnonzero((entries[:3].T == (k, row, c)).all(axis=1)) for c in (i, j)]
            if all(map(len, at)):
                v[at[0]] = -state.scale[at[1]] * state.x[at[1]]
                v[at[1]] = state.scale[at[0]] * state.x[at[0]]
        rows.append(v)
    assert (len(rows) >= MANY) == (name == "six columns")
    V, _ = np.linalg.qr(np.array(rows).T)
    P = np.eye(n) - V @ V.T
    expected = P @ H @ P + np.diag(H).max() * V @ V.T
    held(state, search)
    assert_allclose(state.H, expected, atol=1e-9 * np.abs(H).max())
