"""Strata against the same model by its rows."""

import numpy as np
import pytest
from blocks.residual.dense_model import some_design
from numpy.testing import assert_allclose

from numbamm.blocks.residual.correlated_rows import CorrelatedRows
from numbamm.blocks.residual.correlations import Chains
from numbamm.blocks.residual.scales import LogLinear, Scales
from numbamm.blocks.residual.strata import ROWS_EACH, Strata, strata_of

WHICH = [
    (),
    ("subject",),
    ("subject", "site"),
    ("subject", "item"),
    ("subject", "site", "item", "list"),
]
PHI = np.array([0.4, -0.3])


class Nothing:
    size, codes = 0, 1

    def values(self, phi):
        return np.zeros(1)

    def slopes(self, phi):
        return np.zeros((0, 1))


def both(which):
    """The rows, and the strata, of a design with three standard deviations."""
    design = some_design(which)
    n = len(design.y)
    code = design.subject % 3
    W = (code[:, None] == [1, 2]).astype(float)
    scales = Scales([LogLinear(W)], n)
    chains = Chains(Nothing(), np.arange(n + 1), np.zeros(n, dtype=np.int64))
    xy = np.column_stack([design.X, design.y])
    root = np.sqrt(design.w)
    arguments = design.terms, xy * root[:, None], root, np.arange(n), scales, chains
    first = np.array([np.flatnonzero(code == s)[0] for s in range(3)])
    return design, CorrelatedRows(*arguments), Strata(*arguments, codes=code, first=first)


@pytest.mark.parametrize("which", WHICH, ids=["-".join(w) or "none" for w in WHICH])
@pytest.mark.parametrize("reml", [0, 1])
def test_as_by_rows(which, reml):
    design, by_rows, strata = both(which)
    theta = np.concatenate([[], *(0.7 * t.structure.start + 0.1 for t in design.terms)])
    degrees = np.array([len(design.y) - 3 * reml, reml])
    expected, found = by_rows.at(PHI), strata.at(PHI)
    arguments = theta, degrees, 0.0, 0.0
    value, gradient = expected.objective_gradient(*arguments)
    assert_allclose(found.objective(*arguments), value, rtol=1e-12)
    assert_allclose(found.objective_gradient(*arguments)[1], gradient, rtol=1e-9, atol=1e-9)
    H = expected.information(theta, degrees, 0.0)
    assert_allclose(found.information(theta, degrees, 0.0), H, rtol=1e-8, atol=1e-8)
    for shift in (np.zeros(2), np.array([0.3, -0.1])):
        exact = found.exact_part(shift)
        assert_allclose(exact, expected.exact_part(shift), rtol=1e-8, atol=1e-8)
        if not shift.any():  # of indicators of strata
            assert_allclose(exact[:2, :2], 2 * np.diag(gradient[:2]), rtol=1e-8, atol=1e-8)
    assert_allclose(found.leverage(theta), expected.leverage(theta), atol=1e-12)
    M = np.random.default_rng(1).normal(size=(len(design.y), 2))
    assert_allclose(found.solve(M), expected.solve(M))
    assert_allclose(found.moves(M), expected.moves(M))


def test_another_response():
    design, by_rows, strata = both(("subject", "item"))
    y = np.sqrt(design.w) * design.y**2
    arguments = np.ones(4), np.array([len(y), 0]), 0.0, 0.0
    for rows in (by_rows, strata):
        rows.new_response(y)
    assert_allclose(strata.at(PHI).objective(*arguments), by_rows.at(PHI).objective(*arguments))


def test_which_rows_are_strata():
    codes = np.arange(6 * ROWS_EACH) % 3
    W = (codes[:, None] == [1, 2]).astype(float)
    found, first = strata_of(Scales([LogLinear(W)], len(W)), len(W))
    assert len(first) == 3 and len(set(zip(found, codes, strict=True))) == 3
    many = LogLinear(np.random.default_rng(1).normal(size=(len(W), 1)))
    assert strata_of(Scales([many], len(W)), len(W)) is None
    assert strata_of(Scales([LogLinear(W[:10])], 10), 10) is None
    assert strata_of(Scales([], len(W)), len(W)) is None


def test_where_there_is_no_objective():
    assert both(())[2].at([np.inf, 0.0]) is None
