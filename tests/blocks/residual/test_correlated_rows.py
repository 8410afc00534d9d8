"""The objective, its gradient and average information, against dense matrices."""

import numpy as np
import pytest
from blocks.residual.dense_model import (
    correlated_rows,
    criterion,
    marginal,
    residual_matrix,
    some_design,
)
from numpy.testing import assert_allclose

from numbamm.blocks.residual.correlations import Patterns

WHICH = [
    (),
    ("subject",),
    ("subject", "site"),
    ("subject", "item"),
    ("subject", "site", "item", "list"),
    ("row", "item"),
]
each_design = pytest.mark.parametrize("which", WHICH, ids=["-".join(w) or "none" for w in WHICH])
by_chains = pytest.mark.parametrize("chains", [False, True], ids=["patterns", "chains"])


def some_point(design):
    theta = [0.7 * term.structure.start + 0.1 for term in design.terms]
    return np.concatenate([[0.2, -0.3, 0.5], *theta])


def fixed(design, reml):
    n, p = design.X.shape
    return np.array([n - reml * p, reml]), -np.log(design.w).sum()


@by_chains
@each_design
@pytest.mark.parametrize(("reml", "sigma"), [(0, 0.0), (1, 0.0), (1, 1.3)])
def test_objective_and_gradient(which, chains, reml, sigma):
    design = some_design(which)
    z = some_point(design)
    degrees, constant = fixed(design, reml)
    at = correlated_rows(design, chains).at(z[:3])
    value, gradient = at.objective_gradient(z[3:], degrees, constant, sigma)
    assert_allclose(value, criterion(design, z, reml, sigma), rtol=1e-12)
    assert_allclose(at.objective(z[3:], degrees, constant, sigma), value, rtol=1e-13)
    steps = 1e-5 * np.eye(len(z))
    expected = [
        criterion(design, z + h, reml, sigma) - criterion(design, z - h, reml, sigma) for h in steps
    ]
    assert_allclose(gradient, np.array(expected) / 2e-5, atol=1e-6)


@by_chains
@each_design
@pytest.mark.parametrize("sigma", [0.0, 1.3])
def test_average_information(which, chains, sigma):
    """The rows of φ."""
    design = some_design(which)
    z = some_point(design)
    degrees, constant = fixed(design, 1)
    at = correlated_rows(design, chains).at(z[:3])
    at.objective_gradient(z[3:], degrees, constant, sigma)
    H = at.information(z[3:], degrees, sigma)
    inverse = np.linalg.inv(marginal(design, z))
    X = design.X
    P = inverse - inverse @ X @ np.linalg.solve(X.T @ inverse @ X, X.T @ inverse)
    Py = P @ design.y
    steps = 1e-5 * np.eye(len(z))
    q = np.array([(marginal(design, z + h) - marginal(design, z - h)) @ Py for h in steps]) / 2e-5
    variance = sigma**2 or design.y @ Py / degrees[0]
    expected = q @ P @ q.T / variance
    if sigma == 0:
        expected -= np.outer(q @ Py, q @ Py) / degrees[0] / variance**2
    assert_allclose(H[:3], expected[:3], atol=1e-6)
    assert_allclose(H, H.T)


def test_another_response():
    design = some_design(("subject", "item"))
    z, (degrees, constant) = some_point(design), fixed(design, 0)
    rows = correlated_rows(design, True)
    before = rows.at(z[:3]).objective(z[3:], degrees, constant, 0.0)
    design.y = design.y**2
    rows.new_response(design.y * np.sqrt(design.w))
    after = rows.at(z[:3]).objective(z[3:], degrees, constant, 0.0)
    assert_allclose(after, criterion(design, z, 0), rtol=1e-12)
    assert after != before


@by_chains
def test_products_with_r(chains):
    design = some_design(("subject",))
    phi, h = np.array([0.2, -0.3, 0.5]), 1e-6
    rows = correlated_rows(design, chains)
    R, at = residual_matrix(design, phi), rows.at(phi)
    M = np.random.default_rng(2).normal(size=(len(R), 2))
    assert_allclose(at.times(M), R @ M, atol=1e-12)
    assert_allclose(at.solve(M), np.linalg.solve(R, M), atol=1e-11)
    for move, step in zip(at.moves(M), h * np.eye(3), strict=True):
        expected = residual_matrix(design, phi + step) - residual_matrix(design, phi - step)
        assert_allclose(move, expected @ M / (2 * h), atol=1e-7)


@each_design
def test_leverage(which):
    design = some_design(which)
    z = some_point(design)
    V, R = marginal(design, z), residual_matrix(design, z[:3])
    inverse, X = np.linalg.inv(V), design.X
    P = inverse - inverse @ X @ np.linalg.solve(X.T @ inverse @ X, X.T @ inverse)
    found = correlated_rows(design, True).at(z[:3]).leverage(z[3:])
    assert_allclose(found, np.diag(np.eye(len(V)) - R @ P), atol=1e-10)


def test_patterns_share_their_matrices():
    correlations = correlated_rows(some_design(("subject",)), False).correlations
    assert isinstance(correlations, Patterns)
    assert len(correlations.groups) < 14 == correlations.groups.sum()


def test_where_there_is_no_objective():
    rows = correlated_rows(some_design(("subject",)), True)
    assert rows.at([0.1, 0.1, np.pi / 2]) is None
    assert rows.at([np.inf, 0.1, 0.2]) is None
    assert correlated_rows(some_design(("subject",)), False).at([0.1, 0.1, np.pi / 2]) is None
