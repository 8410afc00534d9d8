"""What CHOLMOD is asked for: an order, and how much fills in."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

pytest.importorskip("sksparse")

from numbamm.blocks.tail.cholmod import Analysis


def lower(n, density, seed):
    A = sp.random_array((n, n), density=density, rng=np.random.default_rng(seed))
    A = sp.csc_matrix(sp.tril(A @ A.T + n * sp.eye_array(n)))
    A.sort_indices()
    return A


@pytest.mark.parametrize(
    ("n", "density"), [(1, 1.0), (30, 0.02), (30, 0.2), (200, 0.01), (50, 1.0)]
)
def test_counts_are_those_of_the_factor(n, density):
    A = lower(n, density, 4)
    analysis = Analysis(A.indptr.astype(np.int32), A.indices.astype(np.int32))
    factor = analysis.factor()
    factor.cholesky_inplace(analysis.matrix(A.data))
    L, P = factor.L(), factor.P()
    whole = (A + sp.tril(A, -1).T).toarray()
    np.testing.assert_allclose((L @ L.T).toarray(), whole[np.ix_(P, P)], atol=1e-10)
    filled = whole[np.ix_(P, P)] != 0
    for j in range(n):
        below = np.flatnonzero(filled[j + 1 :, j]) + j + 1
        filled[np.ix_(below, below)] = True
    np.testing.assert_array_equal(analysis.counts, np.tril(filled).sum(axis=0))
    assert L.nnz >= analysis.counts.sum()  # zeros are added to have larger blocks


def test_an_analysis_survives_pickling():
    A = lower(40, 0.05, 1)
    analysis = Analysis(A.indptr.astype(np.int32), A.indices.astype(np.int32))
    again = pickle.loads(pickle.dumps(analysis))
    np.testing.assert_array_equal(again.factor().P(), analysis.factor().P())
