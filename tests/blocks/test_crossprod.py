"""The cross-product, by what follows from it: other responses and weighted rows."""

import numpy as np
import pytest
from blocks.dense import dense_lambda, dense_model, random_theta, rows
from blocks.examples import built, each_structure, evaluate

from numbamm.blocks.tail.dense_tail import DenseTail


@each_structure
def test_new_response(name):
    terms, xy, blocks = built(name)
    theta, other = random_theta(terms), rows(seed=9)[:, -1]
    blocks.new_response(other)
    expected = dense_model(terms, np.column_stack([rows()[:, :-1], other]), theta).objective
    assert evaluate(blocks, theta, xy) == pytest.approx(expected, rel=1e-11)


@each_structure
def test_weights_scale_rows(name):
    terms, xy, _ = built(name)
    sqrtw = np.random.default_rng(5).uniform(0.5, 2, len(xy))
    weighted = DenseTail(terms, xy * sqrtw[:, None], sqrtw)
    theta = random_theta(terms)
    Z = np.hstack([t.toarray() for t in terms])
    lam = dense_lambda(terms, theta)
    V = np.diag(sqrtw**-2) + Z @ lam @ lam.T @ Z.T
    X, y = xy[:, :-1], xy[:, -1]
    beta = np.linalg.solve(X.T @ np.linalg.solve(V, X), X.T @ np.linalg.solve(V, y))
    weighted.factorize(theta)
    np.testing.assert_allclose(weighted.solve().gamma, beta, rtol=1e-9)
