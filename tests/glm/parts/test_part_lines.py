"""Predictors of further parameters: values, and derivatives in their coefficients."""

import numpy as np
from numpy.testing import assert_allclose

from numbamm.design.femat import FeMat
from numbamm.glm.parts.part_lines import Line, Lines

RNG = np.random.default_rng(4)
N = 12
#: Far-off scales, a redundant column, a constant, and a line without coefficients.
X = np.column_stack([np.ones(N), 1e6 + RNG.normal(size=N), np.ones(N) * 3])


def lines() -> Lines:
    none = FeMat.from_columns(np.zeros((N, 0)), [])
    return Lines(
        [
            Line("dispersion", FeMat.from_columns(X, ["Intercept", "x", "again"]), np.zeros(N)),
            Line("df", none, np.full(N, 1.5)),
            Line("zi", FeMat.from_columns(X[:, :1], ["Intercept"]), np.zeros(N)),
        ]
    )


def test_values_are_those_of_the_users_columns():
    of, psi = lines(), RNG.normal(size=3)
    assert of.names == ["dispersion.Intercept", "dispersion.x", "zi"] and of.size == 3
    user = of.to_user @ psi
    found = of.values(psi)
    assert_allclose(found[0], X[:, :2] @ user[:2], rtol=1e-6, atol=1e-6)
    assert_allclose(found[1:], [np.full(N, 1.5), np.full(N, user[2])])
    assert_allclose(of.rows(slice(3)).values(psi), found[:, :3])


def test_derivatives_are_differences():
    of, psi, s = lines(), RNG.normal(size=3), RNG.normal(size=(3, N))
    moves = np.eye(3) * 1e-5
    expected = [(s * (of.values(psi + m) - of.values(psi - m))).sum() / 2e-5 for m in moves]
    assert_allclose(of.pull_back(psi, s), expected, rtol=1e-7)


def test_no_lines():
    none = Lines([])
    assert none.values(()).size == 0 and none.pull_back((), np.zeros((0, 3))).size == 0
