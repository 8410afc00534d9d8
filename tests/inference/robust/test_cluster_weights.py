"""Weights of robust covariances: low-rank and dense, against the definition by eigenvalues."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from numbamm.inference.robust.cluster_rows import ClusterRows
from numbamm.inference.robust.cluster_weights import _inverse_root, dense_weights, low_rank_weights


def cluster(seed, variances, size=1.0, whole=False):
    """A cluster of 40 rows whose first column, if `whole`, no other cluster has."""
    rng = np.random.default_rng(seed)
    n = 40
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    U = np.column_stack([np.ones(n), rng.normal(size=n), np.arange(n) < 7]) * size
    R = np.ones(n) if variances == 1 else np.exp(rng.uniform(0, np.log(variances), n))
    rows = ClusterRows(x[None], rng.normal(size=(1, n)), U[None], R[None])
    inside = x.T @ np.linalg.solve(rows.covariances[0], x)
    rest = rng.normal(size=(9, 3)) * (0 if whole else 1, 1, 1)
    return rows, np.linalg.inv(inside + rest.T @ rest)


def by_definition(rows, M):
    """A V⁻¹ X M with the geometric mean of V and the inverse of S, from symmetric roots."""
    x, V = rows.x[0], rows.covariances[0]
    values, vectors = np.linalg.eigh(V)
    D = (vectors * np.sqrt(values)) @ vectors.T
    values, vectors = np.linalg.eigh(D @ (V - x @ M @ x.T) @ D)
    known = values > 1e-9 * np.median(values)
    root = np.where(known, np.where(known, values, 1.0) ** -0.5, 0.0)
    A = D @ (vectors * root) @ vectors.T @ D
    return A @ np.linalg.solve(V, x) @ M


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("variances", "size"), [(1, 1.0), (9, 0.5), (400, 20.0), (3, 1e-3)])
def test_every_way(variances, size, whole):
    rows, M = cluster(3, variances, size, whole)
    wanted = by_definition(rows, M)
    scale = np.abs(wanted).max(axis=0)
    turned = rows.rotated()
    assert turned.x.shape[1] == (6 if variances == 1 else 40)
    for made in (dense_weights(rows, M, True), low_rank_weights(rows, M, True)):
        assert_allclose(made[0][0] / scale, wanted / scale, atol=1e-8)
        form = wanted.T @ rows.covariances[0] @ wanted
        assert_allclose(made[1][0], form, rtol=1e-7, atol=1e-9 * np.abs(form).max())
    P, variance = dense_weights(turned, M, True)
    assert_allclose(turned.e[0] @ P[0], rows.e[0] @ wanted, atol=1e-8 * scale.max())
    assert_allclose(variance[0], form, rtol=1e-7, atol=1e-9 * np.abs(form).max())
    assert_allclose(turned.x[0].T @ P[0], rows.x[0].T @ wanted, atol=1e-8)


def test_unadjusted():
    rows, M = cluster(5, 9)
    wanted = np.linalg.solve(rows.covariances[0], rows.x[0]) @ M
    for made in (dense_weights(rows, M, False), low_rank_weights(rows, M, False)):
        assert_allclose(made[0][0], wanted, rtol=1e-9, atol=1e-12)


def test_large_intraclass_correlations_lose_no_digits():
    """Rotated rows and all rows agree where V has a condition number of 10⁸."""
    rows, M = cluster(7, 1, 1e3)
    ours, turned = dense_weights(rows, M, True), dense_weights(rows.rotated(), M, True)
    assert_allclose(turned[1], ours[1], rtol=1e-6)
    assert_allclose(low_rank_weights(rows, M, True)[1], ours[1], rtol=1e-5)


@pytest.mark.parametrize("ratio", [1.0, 30.0, 1e6, 1e12, 1e20])
def test_quadrature_of_the_inverse_root(ratio):
    values = 3e-5 * np.geomspace(1, ratio, 60)
    found = sum(c / (values + s) for s, c in _inverse_root(3e-5, 3e-5 * ratio))
    assert_allclose(found, values**-0.5, rtol=1e-13)
