"""`Relation`: what follows from K, and from its inverse."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from dense_relations import relationship

import numbamm as mm
from numbamm.relations.relation import Relation

K = relationship(9, np.random.default_rng(2))
LABELS = np.arange(9)


def both():
    Q = sp.csc_array(np.linalg.inv(K))
    return Relation(LABELS, covariance=K), Relation(LABELS, precision=Q, name="Q")


def test_both_forms_say_the_same():
    of_k, of_q = both()
    x = np.random.default_rng(1).normal(size=(9, 2))
    for relation in (of_k, of_q):
        np.testing.assert_allclose(relation.covariance, K, atol=1e-9)
        np.testing.assert_allclose(relation.precision.toarray(), np.linalg.inv(K), atol=1e-9)
        np.testing.assert_allclose(relation.root @ relation.root.T, K, atol=1e-9)
        np.testing.assert_allclose(relation.times(x), K @ x, atol=1e-9)
        np.testing.assert_allclose(relation.variances, np.diag(K), atol=1e-9)
        assert relation.rank == 9
        assert relation.scale == pytest.approx(np.sqrt(np.diag(K).mean()))
        assert relation.logdet_precision == pytest.approx(-np.linalg.slogdet(K)[1])
        root = relation.related(np.eye(9))
        np.testing.assert_allclose(root @ root.T, K, atol=1e-9)
    assert of_k.is_that_of(both()[0]) and of_q.is_that_of(both()[1]) and not of_k.is_that_of(of_q)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(of_q)).labels, LABELS)


def test_a_singular_matrix_has_a_root_and_no_inverse():
    low = np.random.default_rng(1).normal(size=(9, 4))
    relation = Relation(LABELS, covariance=low @ low.T, name="K")
    assert relation.rank == 4 and relation.root.shape == (9, 4)
    np.testing.assert_allclose(relation.root @ relation.root.T, low @ low.T, atol=1e-9)
    with pytest.raises(mm.DataError, match="K is singular .its rank is 4 of 9"):
        relation.precision  # noqa: B018


def test_indefinite_matrices_are_refused():
    relation = Relation(LABELS, covariance=K - 3 * np.eye(9), name="K")
    with pytest.raises(mm.DataError, match="K is no covariance matrix: its smallest eigenvalue"):
        relation.root  # noqa: B018
    Q = sp.csc_array(K - 3 * np.eye(9))
    with pytest.raises(mm.DataError, match="Q is not positive definite"):
        Relation(LABELS, precision=Q, name="Q").factor  # noqa: B018
    with pytest.raises(mm.DataError, match="Q is not positive definite"):
        Relation(LABELS, precision=Q, name="Q").covariance  # noqa: B018
