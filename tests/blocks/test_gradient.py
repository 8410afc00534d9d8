"""The gradient in θ against dense matrices, for every kind of block."""

import numpy as np
import pytest
from blocks.dense import dense_model, random_theta
from blocks.examples import built, each_structure, evaluate, evaluate_gradient


@each_structure
@pytest.mark.parametrize("nx", [0, 1, 3])
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("sigma", [None, 0.7])
def test_gradient(name, nx, reml, sigma):
    terms, xy, blocks = built(name, nx)
    theta = random_theta(terms)
    expected = dense_model(terms, xy, theta, reml, sigma)
    value, gradient = evaluate_gradient(blocks, theta, xy, reml, sigma or 0.0)
    assert value == evaluate(blocks, theta, xy, reml, sigma or 0.0)
    np.testing.assert_allclose(
        gradient, expected.gradient, atol=1e-10 * np.abs(expected.gradient).max()
    )


@each_structure
def test_gradient_at_singular_theta(name):
    terms, xy, blocks = built(name)
    for zeroed in range(len(random_theta(terms)) + 1):
        theta = random_theta(terms)
        theta[zeroed:] = 0.0
        expected = dense_model(terms, xy, theta).gradient
        found = evaluate_gradient(blocks, theta, xy)[1]
        np.testing.assert_allclose(found, expected, atol=1e-10 * max(1, np.abs(expected).max()))


@each_structure
def test_gradient_blocks(name):
    terms, xy, blocks = built(name)
    theta = random_theta(terms)
    evaluate_gradient(blocks, theta, xy)
    at = 0
    for G, N, t in zip(
        blocks.gradient_blocks(), dense_model(terms, xy, theta).normal, terms, strict=True
    ):
        lam = np.zeros((t.p, t.p))
        lam.ravel()[t.structure.entries] = theta[at : at + t.structure.size]
        at += t.structure.size
        np.testing.assert_allclose(G, 2 * N @ lam, atol=1e-10 * np.abs(G).max())
