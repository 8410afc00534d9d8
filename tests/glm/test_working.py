"""The cross-product of working rows: that of rows times √W, with weights of either sign."""

import numba
import numpy as np
import pytest
from glm.small import SHAPE, Small
from numpy.testing import assert_allclose

from numbamm.blocks.tail.dense_tail import DenseTail
from numbamm.glm import row_kernels as lines
from numbamm.glm.working import AT, OBSERVED, add_effects, load_observed


@numba.njit
def observe(held, shape, rows):
    load_observed(held, shape, rows)


@numba.njit
def add(eta, gamma, b, rows):
    add_effects(eta, gamma, b, rows)


def crossprod(it, weights, response):
    """A of the rows times √W, by the linear model's code."""
    root = np.sqrt(np.maximum(weights, 0.0))
    xy = root[:, None] * np.column_stack([it.basis, response])
    return DenseTail(it.terms, xy, root).A


@pytest.mark.parametrize("name", ["crossed sparsely, vectors", "nested", "patterned template"])
def test_the_working_model_is_loaded(name):
    it = Small("counts", name)
    finder = it.modes.working(it.theta, it.gamma, SHAPE)
    eta = it.offset + it.basis @ it.gamma
    weights = np.exp(eta) * it.w
    response = eta - it.offset + (it.y - np.exp(eta)) / np.exp(eta)
    expected = crossprod(it, weights, response)
    used = ~np.isnan(expected)  # upper triangles are not
    assert used.sum() > 0.9 * len(used)
    assert_allclose(finder.rows.A[used], expected[used], rtol=1e-9)


def test_observed_information_may_be_negative():
    it = Small(("binomial", "cauchit", OBSERVED), "crossed densely, vectors")
    it.modes(it.theta, it.gamma.copy(), vary=True, shape=SHAPE)
    rows = it.modes.rows
    rng = np.random.default_rng(1)
    rows.eta[AT] = 2.0 * rng.normal(size=len(it.y))
    information = it.rows(lines.INFORMATION, rows.eta[AT].copy())[lines.SECOND]
    assert (information < 0).any() and (information > 0).any()
    rows.eta[lines.WEIGHT] = it.rows(lines.WORKING, rows.eta[AT].copy())[lines.WEIGHT]
    observe(0.0, SHAPE, rows)
    none = np.zeros(len(it.y))
    expected = crossprod(it, information, none) - crossprod(it, -information, none)
    used = ~np.isnan(expected)
    used[-1] = False  # the response's pivot is held
    assert_allclose(rows.A[used], expected[used], atol=1e-9)
    assert_allclose(rows.eta[lines.WEIGHT], information)


def test_rows_without_information_keep_their_weight():
    """As where responses are separated: both informations vanish, and the floor stays."""
    it = Small("cloglog, observed", "vector")
    it.modes(it.theta, it.gamma.copy(), vary=True, shape=SHAPE)
    rows = it.modes.rows
    rows.eta[AT, 5], rows.eta[lines.WEIGHT, 5] = -40.0, 0.3
    observe(0.5, SHAPE, rows)
    assert rows.eta[lines.WEIGHT, 5] == 0.3


@pytest.mark.parametrize("name", ["scalar", "three crossed sparsely", "one factor twice"])
def test_effects_are_added(name):
    it = Small("counts", name)
    rng = np.random.default_rng(2)
    rows, eta = it.modes.rows, rng.normal(size=len(it.y))
    order = it.modes.varied.layout.order
    parts = {k: rng.normal(size=(t.nlevels, t.p)) for k, t in enumerate(it.terms)}
    expected = eta + it.basis @ it.gamma
    for k, term in enumerate(it.terms):
        expected = expected + term.toarray() @ parts[k].ravel()
    add(eta, it.gamma, np.concatenate([parts[k].ravel() for k in order]), rows)
    assert_allclose(eta, expected)
