"""Leverages and conditional variances against dense matrices."""

import numpy as np
from blocks.dense import dense_model, random_theta
from blocks.examples import built, each_structure


@each_structure
def test_leverage(name):
    terms, xy, blocks = built(name)
    theta = random_theta(terms)
    blocks.factorize(theta)
    np.testing.assert_allclose(blocks.leverage(), dense_model(terms, xy, theta).leverage, rtol=1e-9)


@each_structure
def test_conditional_variances(name):
    terms, xy, blocks = built(name)
    theta = random_theta(terms)
    blocks.factorize(theta)
    expected, at = dense_model(terms, xy, theta).conditional_variance, 0
    for term, found in zip(terms, blocks.conditional_variances(), strict=True):
        for block in found:
            mine = slice(at, at + term.p)
            np.testing.assert_allclose(block, expected[mine, mine], rtol=1e-9, atol=1e-12)
            at += term.p
