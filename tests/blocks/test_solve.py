"""Estimates and variances of rows by a factor, against dense matrices."""

import numpy as np
from blocks.dense import dense_model, random_theta
from blocks.examples import built, each_structure


@each_structure
def test_estimates(name):
    terms, xy, blocks = built(name)
    theta = random_theta(terms)
    blocks.factorize(theta)
    found, expected = blocks.solve(), dense_model(terms, xy, theta)
    np.testing.assert_allclose(found.gamma, expected.beta, rtol=1e-9)
    np.testing.assert_allclose(np.concatenate([u.ravel() for u in found.u]), expected.u, atol=1e-10)
    np.testing.assert_allclose(np.concatenate([b.ravel() for b in found.b]), expected.b, atol=1e-10)


@each_structure
def test_variances_of_rows_at_any_levels(name):
    """Levels that never met, nested ones under another parent, and none at all."""
    terms, xy, blocks = built(name)
    theta, rng, n = random_theta(terms), np.random.default_rng(3), 200
    blocks.factorize(theta)
    refs = [rng.integers(-1, t.nlevels, n).astype(np.int32) for t in terms]
    new = [rng.normal(size=(t.p, n)) for t in terms]
    x = rng.normal(size=(n, blocks.nx))
    Z = []
    for t, levels, z in zip(terms, refs, new, strict=True):
        mine = np.zeros((n, t.nlevels, t.p))
        mine[np.arange(n), levels] = np.where(levels < 0, 0.0, z).T
        Z.append(mine.reshape(n, -1))
    dense = dense_model(terms, xy, theta)
    expected = dense.row_variance(np.hstack(Z) @ dense.lam, x)
    found = blocks.row_variances(list(zip(refs, new, strict=True)), x)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
