"""Estimates of residual parameters with standard errors, against dense curvature."""

import numpy as np
import pytest
from models.residual_side.residual_oracles import fitted
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


def test_standard_errors_by_the_curvature_of_a_dense_criterion():
    """REML, compound symmetry: σ² and σ²ρ determine V."""
    m = mm.lmm("distance ~ age", _ortho(), residual="homcs(1 | Subject)", reml=True)
    d = _ortho()
    same = np.equal.outer(d.Subject.astype(str).to_numpy(), d.Subject.astype(str).to_numpy())
    X, y = m.frame.X, m.frame.y

    def criterion(sigma, rho):
        V = sigma**2 * np.where(same, rho + (1 - rho) * np.eye(len(d)), 0.0)
        inverse = np.linalg.inv(V)
        information = X.T @ inverse @ X
        r = y - X @ np.linalg.solve(information, X.T @ inverse @ y)
        return np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1] + r @ inverse @ r

    table = m.residual_parameters().frame
    at, h = table["estimate"].to_numpy(), np.array([1e-3, 1e-4])
    H = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            a, b = h[i] * np.eye(2)[i], h[j] * np.eye(2)[j]
            cross = criterion(*(at + a + b)) - criterion(*(at + a - b))
            cross -= criterion(*(at - a + b)) - criterion(*(at - a - b))
            H[i, j] = cross / (4 * h[i] * h[j])
    assert_allclose(table["se"], np.sqrt(np.diag(2 * np.linalg.inv(H))), rtol=1e-3)
    assert (table["lower"] < table["estimate"]).all() and (table["upper"] < [np.inf, 1]).all()


def _ortho():
    rng = np.random.default_rng(5)
    import pandas as pd

    d = pd.DataFrame([(f"s{i}", a) for i in range(14) for a in (8, 10, 12)])
    d.columns = ["Subject", "age"]
    return d.assign(distance=np.repeat(rng.normal(size=14), 3) + 0.3 * d.age + rng.normal(size=42))


def test_visits_and_what_has_no_structure():
    table = fitted("trial_ar1h_reml").residual_parameters()
    assert [*table.frame.index] == [*(f"sd_V{k}" for k in range(1, 6)), "rho"]
    assert "Residuals: hetar1(visit | id)" in str(table)
    sleep = mm.datasets.load("sleepstudy")
    with pytest.raises(OptionError, match='write residual="ar1'):
        mm.lmm("Reaction ~ Days + (1 | Subject)", sleep).residual_parameters()
