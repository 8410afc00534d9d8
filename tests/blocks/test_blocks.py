"""Cross-product, factor, objective and solves against dense numpy, for every kind of block.

This file is run a second time without compilation by test_interpreted.py.
"""

import numpy as np
import pytest
from blocks.dense import dense_lambda, dense_model, random_theta, rows, structures

from numbamm.blocks.blocks import Blocks

STRUCTURES = structures()
GAP = 3

each_structure = pytest.mark.parametrize("name", STRUCTURES)


def built(name, nx=3, seed=2):
    terms = STRUCTURES[name]
    xy = rows(nx=nx, seed=seed)
    return terms, xy, Blocks(terms, xy, gap=GAP)


def evaluate(blocks, theta, xy, reml=False, sigma=0.0):
    degrees = np.array([len(xy) - (xy.shape[1] - 1 if reml else 0), int(reml)])
    return blocks.objective(theta, degrees, 0.0, sigma)


@each_structure
@pytest.mark.parametrize("nx", [0, 1, 3])
@pytest.mark.parametrize("reml", [False, True])
def test_objective(name, nx, reml):
    terms, xy, blocks = built(name, nx)
    theta = random_theta(terms)
    expected = dense_model(terms, xy, theta, reml).objective
    assert evaluate(blocks, theta, xy, reml) == pytest.approx(expected, rel=1e-11)


@each_structure
def test_objective_at_singular_theta(name):
    terms, xy, blocks = built(name)
    for zeroed in range(len(random_theta(terms)) + 1):
        theta = random_theta(terms)
        theta[zeroed:] = 0.0
        expected = dense_model(terms, xy, theta).objective
        assert evaluate(blocks, theta, xy) == pytest.approx(expected, rel=1e-11)


@each_structure
def test_objective_with_known_sigma(name):
    terms, xy, blocks = built(name)
    theta = random_theta(terms)
    expected = dense_model(terms, xy, theta, sigma=0.7).objective
    assert evaluate(blocks, theta, xy, sigma=0.7) == pytest.approx(expected, rel=1e-11)


def evaluate_gradient(blocks, theta, xy, reml=False, sigma=0.0):
    degrees = np.array([len(xy) - (xy.shape[1] - 1 if reml else 0), int(reml)])
    return blocks.objective_gradient(theta, degrees, 0.0, sigma)


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
    weighted = Blocks(terms, xy * sqrtw[:, None], sqrtw)
    theta = random_theta(terms)
    Z = np.hstack([t.toarray() for t in terms])
    lam = dense_lambda(terms, theta)
    V = np.diag(sqrtw**-2) + Z @ lam @ lam.T @ Z.T
    X, y = xy[:, :-1], xy[:, -1]
    beta = np.linalg.solve(X.T @ np.linalg.solve(V, X), X.T @ np.linalg.solve(V, y))
    weighted.factorize(theta)
    np.testing.assert_allclose(weighted.solve().gamma, beta, rtol=1e-9)


@each_structure
def test_regions_do_not_overrun(name):
    terms, xy, blocks = built(name)
    evaluate_gradient(blocks, random_theta(terms), xy)
    blocks.new_response(xy[:, -1])
    buffers = {"A": blocks.A, "work": blocks.work, "adjoint": blocks.adjoint}
    for what, buffer, start, stop in blocks.layout.regions:
        assert np.isnan(buffers[buffer][stop : stop + GAP]).all(), what
        if buffer == "A" and "X and y" not in what:  # of which the lower triangle is used
            assert not np.isnan(blocks.A[start:stop]).any(), what


def test_every_kind_of_block_is_tested():
    seen = {kind for name in STRUCTURES for row in built(name)[2].layout.kinds() for kind in row}
    assert seen == {
        "Diagonal",
        "Diagonal/Dense",
        "BlkDiag",
        "BlkDiag/Dense",
        "Nested",
        "Sparse",
        "Sparse/Dense",
        "Dense",
    }


def test_failed_factorisation_is_nan():
    _, xy, blocks = built("vector")
    assert np.isnan(evaluate(blocks, np.array([np.nan, 0.0, 1.0]), xy))
    assert np.isnan(evaluate_gradient(blocks, np.array([np.nan, 0.0, 1.0]), xy)[0])
    with pytest.raises(FloatingPointError, match="factorisation fails"):
        blocks.factorize(np.array([np.nan, 0.0, 1.0]))


def test_collinear_columns_of_x_fail_quietly():
    terms = STRUCTURES["crossed densely"]
    xy = rows(nx=2)
    blocks = Blocks(terms, np.column_stack([xy[:, 0], xy[:, 0], xy[:, -1]]))
    assert np.isnan(evaluate(blocks, random_theta(terms), xy))


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
    monkeypatch.setattr(Blocks, "objective", lambda *_: pytest.fail("factored again"))
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
