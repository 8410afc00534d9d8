"""Sparse covariance matrices of families."""

import numpy as np
import pytest
import scipy.sparse as sp

import numbamm as mm
from numbamm.relations import unrelated_families as families
from numbamm.relations.unrelated_families import inverse_of_blocks


def of_families(number=40, size=5, shuffle=True):
    block = 0.5 * np.eye(size) + 0.5
    K = sp.csc_array(sp.kron(sp.eye_array(number), block))
    order = np.random.default_rng(1).permutation(K.shape[0]) if shuffle else slice(None)
    return sp.csc_array(K[order][:, order])


def test_the_inverse_is_found_family_by_family(monkeypatch):
    K = of_families()
    assert inverse_of_blocks(K) is None  # few levels
    monkeypatch.setattr(families, "FEW", 10)
    inverse = inverse_of_blocks(K)
    np.testing.assert_allclose((K @ inverse).toarray(), np.eye(200), atol=1e-12)
    assert inverse.nnz == K.nnz
    singular = K.copy()
    singular.data[:] = 1.0
    assert inverse_of_blocks(singular) is None
    monkeypatch.setattr(families, "LARGEST", 4)
    assert inverse_of_blocks(K) is None


def test_sparse_and_dense_matrices_give_the_same_model(monkeypatch):
    pytest.importorskip("sksparse")
    K, rng = of_families(), np.random.default_rng(2)
    labels = np.arange(200)
    d = {"y": rng.normal(size=300).cumsum() / 10, "g": rng.integers(0, 200, 300)}
    dense = mm.lmm("y ~ 1 + (1 | g)", d, cov={"g": (K.toarray(), labels)})
    few = mm.lmm("y ~ 1 + (1 | g)", d, cov={"g": (K, labels)})
    monkeypatch.setattr(families, "FEW", 10)
    monkeypatch.setattr("numbamm.design.related_levels.MOST_DENSE", 10)
    sparse = mm.lmm("y ~ 1 + (1 | g)", d, cov={"g": (K, labels)})
    assert sparse.optsum.tail_kind == "sparse"
    for other in (few, sparse):
        assert other.objective == pytest.approx(dense.objective, abs=1e-8)
