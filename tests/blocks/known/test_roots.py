"""Changes of coordinates of related levels, against products with dense matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.blocks.layout import DENSE, ND, NLEVEL, ORDER, ROTATED_WAY, TAIL_U, P

RNG = np.random.default_rng(1)
N = 60
D = {
    "y": RNG.normal(size=N),
    "g": RNG.integers(0, 8, N),
    "s": np.repeat(np.arange(15), 4),
    "t": np.tile(np.arange(4), 15),
    "h": RNG.integers(0, 5, N),
}


@pytest.fixture(scope="module")
def rows():
    """A term in the head, and two in the tail, of which one has levels with a known covariance."""
    L = np.tril(RNG.normal(size=(8, 8)))
    L[:, 7] = 0.0
    K = (L @ L.T, np.arange(8))
    m = mm.LinearMixedModel(
        "y ~ 1 + (1 | s) + (1 | g) + (1 | h)", D, cov={"g": K}, residual="ar1(t | s)"
    )
    return m.residual_side.rows


def test_products_and_right_sides(rows):
    at, roots = rows.at(np.array([0.4])), rows.roots
    (k,) = roots.of
    R, table = roots.of[k], rows.layout.table
    assert rows.terms[rows.layout.order[k]].way == ROTATED_WAY and roots and k > 0
    Z = [np.eye(row[NLEVEL])[refs] for row, refs in zip(table[1:], rows.refs, strict=False)]
    C = at.solve(np.eye(N))[rows.rows][:, rows.rows]
    place = sum(Z[j].shape[1] for j in range(1, k))
    for j, own in enumerate(Z):
        held = own @ R if j == k else own
        row = table[1 + j]
        below = at.tail.A[row[DENSE] : row[DENSE] + row[ND] * row[P] * row[NLEVEL]]
        below = below.reshape(-1, row[ND])
        first = place - (0 if j == 0 else sum(Z[i].shape[1] for i in range(1, j)))
        if j <= k:
            assert_allclose(below[:, first : first + 8], held.T @ C @ Z[k] @ R, atol=1e-12)
    b = RNG.normal(size=(int(table[0, ORDER]), 2))
    expected = b.copy()
    expected[place : place + 8] = R.T @ b[place : place + 8]
    assert_allclose(roots.right_sides(b.copy()), expected)
    c = RNG.normal(size=(8, 1))
    assert_allclose(roots.related(k, c), R @ R.T @ c)
    assert roots.related(0, c) is c


def test_forms_of_levels(rows):
    roots, table = rows.roots, rows.layout.table
    (k,) = roots.of
    at, m = int(table[0, TAIL_U]), int(table[0, ORDER])
    adjoint = RNG.normal(size=rows.layout.size_adjoint)
    U = adjoint[at : at + m * m].reshape(m, m)
    T = np.eye(m)
    first = sum(int(table[1 + j, NLEVEL]) for j in range(1, k))
    T[first : first + 8, first : first + 8] = roots.of[k]
    found = roots.of_levels(adjoint)[at : at + m * m].reshape(m, m)
    assert_allclose(found, T @ (np.triu(U) + np.triu(U, 1).T) @ T.T, atol=1e-12)
