"""Wald's statistics, which take the estimated variances as known."""

import numpy as np
import pytest

from numbamm.inference.fixed.wald import Wald, quadratic_form


def test_a_quadratic_form_does_not_depend_on_the_basis_of_its_rows():
    rng = np.random.default_rng(0)
    L, beta, root = rng.normal(size=(2, 4)), rng.normal(size=4), rng.normal(size=(4, 6))
    vcov, rhs = root @ root.T, rng.normal(size=2)
    value = quadratic_form(L, beta, vcov, rhs)
    expected = (L @ beta - rhs) @ np.linalg.inv(L @ vcov @ L.T) @ (L @ beta - rhs)
    assert value == pytest.approx(expected)
    T = np.array([[2.0, 1e3], [0.0, -1e-3]])
    assert quadratic_form(T @ L, beta, vcov, T @ rhs) == pytest.approx(value, rel=1e-6)


def test_a_single_row_is_the_square_of_z(fitted):
    model = fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy")
    wald = Wald(model)
    F, df = wald.joint(np.array([[0.0, 1.0]]), np.zeros(1))
    assert F == pytest.approx(model.tvalues["Days"] ** 2) and df == np.inf
    assert np.isinf(wald.df(np.eye(2))).all()
    F, _ = wald.joint(np.eye(2), model.beta)
    assert F == pytest.approx(0.0, abs=1e-12)
