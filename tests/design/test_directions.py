"""Directions of the response's covariance against dense matrices."""

import numpy as np
import pytest
from blocks.dense import structures
from numpy.testing import assert_allclose

from numbamm.design.directions import inner_products, units, weighted_columns

STRUCTURES = structures()
NAMES = ["patterned template", "crossed densely, vectors", "nested", "one factor twice"]


def dense(terms, sqrtw):
    """W⁻¹, and Z (I ⊗ E) Z' for each free entry E of each term."""
    n = len(terms[0].refs)
    found = [np.eye(n) if sqrtw is None else np.diag(sqrtw**-2)]
    for term in terms:
        Z = term.toarray()
        found += [Z @ np.kron(np.eye(term.nlevels), E) @ Z.T for E in term.structure.units]
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("weighted", [False, True])
def test_inner_products_are_traces(name, weighted):
    terms = STRUCTURES[name]
    sqrtw = np.random.default_rng(1).uniform(0.5, 2, 120) if weighted else None
    columns = weighted_columns(terms, sqrtw)
    W = np.eye(120) if sqrtw is None else np.diag(sqrtw**2)
    Z = np.hstack([t.toarray() for t in terms])
    assert_allclose(columns.toarray(), np.sqrt(W) @ Z)
    directions = dense(terms, sqrtw)
    expected = [[np.trace(W @ a @ W @ b) for b in directions] for a in directions]
    assert_allclose(inner_products(terms, (columns.T @ columns).tocsr()), expected, rtol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_units_of_other_terms_are_zero(name):
    terms = STRUCTURES[name]
    at = 0
    for term, E in zip(terms, units(terms), strict=True):
        mine = slice(at, at + term.structure.size)
        assert_allclose(E[mine], term.structure.units)
        assert not np.delete(E, range(mine.start, mine.stop), axis=0).any()
        at = mine.stop
