"""Patterns and chains of the same correlations, and what both do with rows."""

import numpy as np
import pytest
from blocks.residual.dense_model import correlated_rows, residual_matrix, some_design
from numpy.testing import assert_allclose

from numbamm.blocks.residual.correlations import Patterns

PHI = np.array([0.3, -0.2, -0.7])


@pytest.fixture(scope="module")
def design():
    return some_design(())


@pytest.fixture(scope="module", params=[False, True], ids=["patterns", "chains"])
def both(request, design):
    """Matrices at φ, and C of all rows in the order of the groups."""
    rows = correlated_rows(design, request.param)
    design = some_design(())
    design.W, design.w = 0 * design.W, 0 * design.w + 1
    C = residual_matrix(design, PHI)[np.ix_(rows.rows, rows.rows)]
    return rows.correlations.at(PHI[-1:]), C


@pytest.fixture(scope="module")
def some_rows(design):
    return np.random.default_rng(1).normal(size=(len(design.y), 3))


def test_products(both, some_rows):
    at, C = both
    assert_allclose(at.logdet, np.linalg.slogdet(C)[1], rtol=1e-11)
    assert_allclose(at.times(some_rows), C @ some_rows, atol=1e-12)
    solved = at.of.product(at.Q, some_rows)
    assert_allclose(solved, np.linalg.solve(C, some_rows), atol=1e-11)


def test_white_rows_and_back(both, some_rows):
    at, C = both
    white = at.whiten(some_rows)
    assert_allclose(white.T @ white, some_rows.T @ np.linalg.solve(C, some_rows), rtol=1e-10)
    assert_allclose(at.colour(white), some_rows, atol=1e-11)


def test_moves(both, some_rows):
    at, C = both
    e, h = some_rows, 1e-6
    r = np.linalg.solve(C, e)
    more, less = (at.of.at(PHI[-1:] + step).times(r) for step in (h, -h))
    f, g = at.moves(e, r)
    assert_allclose(f[0], (more - less) / (2 * h), atol=1e-7)
    assert_allclose(g[0], np.linalg.solve(C, f[0]), atol=1e-8)


def test_matrices_of_groups(both):
    at, C = both
    start = at.of.start
    for g in range(len(start) - 1):
        own = slice(start[g], start[g + 1])
        assert_allclose(at.matrix(g), C[own, own], atol=1e-12)


def test_a_large_matrix():
    class Decay:
        size = 1

        def values(self, phi):
            return np.exp(-np.arange(80) / phi[0])

        def slopes(self, phi):
            return (np.arange(80) / phi[0] ** 2 * self.values(phi))[None]

    lag = np.abs(np.subtract.outer(np.arange(80), np.arange(80)))
    at = Patterns(Decay(), np.array([0, 80]), np.array([0]), [lag]).at(np.array([5.0]))
    assert_allclose(at.Q.reshape(80, 80) @ np.exp(-lag / 5.0), np.eye(80), atol=1e-10)


def test_traces(both):
    at, C = both
    n, h = len(C), 1e-6
    more, less = (at.of.at(PHI[-1:] + step).times(np.eye(n)) for step in (h, -h))
    Q, moved = np.linalg.inv(C), np.linalg.solve(C, (more - less) / (2 * h))
    products, diagonal, pairs = at.traces()
    rows = np.random.default_rng(2).normal(size=(n, 2))
    assert_allclose(at.of.product(products, rows), (Q * C) @ rows, atol=1e-10)
    assert_allclose(diagonal[0], np.diag(moved), atol=1e-7)
    assert_allclose(pairs, [[np.sum(moved * moved.T)]], rtol=1e-6)
