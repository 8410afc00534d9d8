"""The compiled refits against single fits of the same simulated responses."""

from copy import copy

import numpy as np
import pytest
from blocks.dense import dense_model, random_theta, rows, structures
from blocks.search.fits import run
from numpy.testing import assert_allclose

from numbamm.blocks.search import newton
from numbamm.blocks.search.refits import NORM, OBJECTIVE, refits
from numbamm.blocks.tail.dense_tail import DenseTail

STRUCTURES = structures()
N, SIGMA, BATCH = 120, 1.7, 3


@pytest.mark.parametrize("name", ["vector", "crossed densely", "nested and crossed sparsely"])
def test_refits_are_fits_of_what_was_drawn(name):
    terms = STRUCTURES[name]
    xy = rows(N)
    theta = 0.5 * random_theta(terms)
    blocks = DenseTail(terms, xy.copy())
    order, at, parts, matrices = blocks.layout.order, 0, {}, {}
    for k, term in enumerate(terms):
        matrices[k] = term.structure.matrix(theta[at : at + term.structure.size])
        at += term.structure.size
    zl, column = [], 0
    for k in order:
        zl.append(blocks.z[:, column : column + terms[k].p] @ matrices[k])
        column += terms[k].p
    draws = sum(t.nranef for t in terms)
    noise = np.random.default_rng(8).normal(size=(BATCH, draws + N))
    mine = copy(blocks)
    mine.A, mine.xy = blocks.A.copy(), blocks.xy.copy()
    model = mine.newton_model(np.array([N, 0]), 0.0, 0.0)
    thetas, gammas = np.empty((BATCH, len(theta))), np.empty((BATCH, blocks.nx))
    numbers, succeeded = np.empty((BATCH, 2)), np.zeros(BATCH, dtype=bool)
    arrays = mine.refs, mine.z, np.ascontiguousarray(np.hstack(zl)), mine.xy
    searching = newton.allocate(model, len(theta))
    filled = thetas, gammas, numbers, succeeded
    refits(noise, theta, model, *searching, arrays, SIGMA, 1e-10, 0.0, *filled)
    assert succeeded.all()
    for drawn, found, gamma, number in zip(noise, thetas, gammas, numbers, strict=True):
        y, start = drawn[draws:].copy(), 0
        for k in order:
            u = drawn[start : start + terms[k].nranef].reshape(-1, terms[k].p)
            start += terms[k].nranef
            y += terms[k].toarray() @ (u @ matrices[k].T).ravel()
            parts[k] = u
        data = np.column_stack([xy[:, :-1], SIGMA * y])
        _, best, _ = run(terms, data)
        assert number[OBJECTIVE] == pytest.approx(best, abs=1e-6)
        dense = dense_model(terms, data, found)
        assert dense.objective == pytest.approx(number[OBJECTIVE], abs=1e-9)
        assert_allclose(gamma, dense.beta, atol=1e-8)
        residual = data[:, -1] - data[:, :-1] @ dense.beta
        V = np.eye(N) + dense.ZL @ dense.ZL.T
        assert number[NORM] ** 2 == pytest.approx(residual @ np.linalg.solve(V, residual))


def test_a_response_that_cannot_be_fitted_is_marked():
    terms = STRUCTURES["scalar"]
    blocks = DenseTail(terms, rows(N))
    model = blocks.newton_model(np.array([N, 0]), 0.0, 0.0)
    noise = np.random.default_rng(8).normal(size=(2, terms[0].nranef + N))
    noise[0] = np.nan
    succeeded = np.ones(2, dtype=bool)
    filled = np.empty((2, 1)), np.empty((2, blocks.nx)), np.empty((2, 2)), succeeded
    arrays = blocks.refs, blocks.z, blocks.z.copy(), blocks.xy
    searching = newton.allocate(model, 1)
    refits(noise, np.ones(1), model, *searching, arrays, 1.0, 1e-8, 0.0, *filled)
    assert succeeded.tolist() == [False, True]
