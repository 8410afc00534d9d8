"""Terms of many columns, which BLAS multiplies: the objective and its derivatives, densely."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.blocks.layout import POINTS
from numbamm.blocks.search.structured import derivatives

rng = np.random.default_rng(6)
N = 190
FIELD = pd.DataFrame({"t": rng.integers(0, 55, N) / 7, "e": rng.integers(0, 60, N) / 3})
FIELD["g"], FIELD["h"] = rng.choice(["a", "ü"], N), rng.integers(0, 120, N)
FIELD["k"], FIELD["x"] = rng.integers(0, 4, N), rng.normal(size=N)
FIELD["y"] = np.sin(FIELD.t) + FIELD.x + rng.normal(size=120)[FIELD.h] + rng.normal(size=N)
#: One level; one level beside terms in the head and in the tail; several levels in the tail.
TERMS = ["exp(e, t | 1)", "(1 | h) + exp(t | 1) + (1 | k)", "(1 | h:g) + ou(t | g) + (1 | k)"]


def dense_objective(m, theta) -> float:
    """-2 log restricted likelihood with σ profiled out, from matrices of order n."""
    V, at = np.eye(N), 0
    for term in m.reterms:
        lam = term.structure.matrix(theta[at : at + term.structure.size])
        at += term.structure.size
        z = term.toarray() @ np.kron(np.eye(term.nlevels), lam)
        V += z @ z.T
    X, y = m.frame.X, m.frame.y
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    r = y - X @ np.linalg.solve(information, X.T @ inverse @ y)
    d = N - X.shape[1]
    logdet = np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1]
    return logdet + d * (1 + np.log(2 * np.pi * (r @ inverse @ r) / d))


@pytest.mark.parametrize("terms", TERMS)
def test_objective_gradient_and_hessian(terms):
    m = mm.LinearMixedModel(f"y ~ x + {terms}", FIELD, reml=True)
    assert max(term.p for term in m.reterms) > POINTS
    theta = m.theta + rng.uniform(-0.2, 0.2, len(m.theta))
    assert_allclose(m.objective_at(theta), dense_objective(m, theta), rtol=1e-11)
    steps = 1e-5 * np.eye(len(theta))
    slopes = [(m.objective_at(theta + h) - m.objective_at(theta - h)) / 2e-5 for h in steps]
    assert_allclose(m.objective_gradient(theta)[1], slopes, rtol=1e-6, atol=1e-5)
    criterion = m.space.criterion
    m.blocks.objective_gradient(theta, *criterion)
    g, _ = derivatives(m.blocks, theta, criterion)  # its slopes take N, not G
    assert_allclose(g, slopes, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("terms", TERMS)
def test_fits_end_at_a_minimum_of_the_dense_objective(terms):
    m = mm.lmm(f"y ~ x + {terms}", FIELD, reml=True)
    assert_allclose(m.objective, dense_objective(m, m.theta), rtol=1e-10)
    for h in 1e-3 * np.eye(len(m.theta)):
        assert dense_objective(m, m.theta + h) > m.objective - 1e-8
        assert dense_objective(m, m.theta - h) > m.objective - 1e-8
