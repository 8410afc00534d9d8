"""Modes of models of several parts: against a dense computation that shares no code."""

import numpy as np
import pytest
from glm.parts.part_families import log_density
from scipy.optimize import minimize

import numbamm as mm


def data(n=60, seed=1):
    rng = np.random.default_rng(seed)
    g = rng.integers(0, 6, n)
    x = rng.normal(size=n)
    y = rng.poisson(np.exp(0.5 + 0.5 * x)) * (rng.uniform(size=n) > 0.25)
    return {"y": y.astype(float), "x": x, "g": g.astype(str)}


def dense_laplace(model, beta, psi, theta):
    """By the rows' densities, a general search for the mode, and differences."""
    terms, n = model.reterms, model.nobs
    Z = [np.zeros((n, t.nranef)) for t in terms]
    for z, t in zip(Z, terms, strict=True):
        for i in range(n):
            z[i, t.refs[i] * t.p : (t.refs[i] + 1) * t.p] = t.z[:, i]
    parts = model.scaled.structure.split(theta)
    lam = [
        np.kron(np.eye(t.nlevels), t.structure.matrix(p)) for t, p in zip(terms, parts, strict=True)
    ]
    X = model.frame.X
    nu = model.part_lines.values(np.linalg.solve(model.part_lines.to_user, psi))
    sizes = np.cumsum([0, *(t.nranef for t in terms)])

    def minus_two(u):
        eta, lines = X @ beta, nu.copy()
        for k, t in enumerate(terms):
            move = Z[k] @ (lam[k] @ u[sizes[k] : sizes[k + 1]])
            if t.part:
                lines[-1] = lines[-1] + move
            else:
                eta = eta + move
        f = log_density(
            model.composition.family,
            model.link,
            model.frame.y,
            np.ones(n),
            eta,
            lines,
            model.composition.mixture,
        )
        return -2 * f.sum() + u @ u

    q = sizes[-1]
    u = minimize(minus_two, np.zeros(q), method="BFGS", options={"gtol": 1e-9}).x
    h, H, at = 1e-3, np.empty((q, q)), minus_two
    for i in range(q):
        for j in range(i + 1):
            a, b = np.eye(q)[i] * h, np.eye(q)[j] * h
            H[i, j] = H[j, i] = (at(u + a + b) - at(u + a - b) - at(u - a + b) + at(u - a - b)) / (
                4 * h * h
            )
    return minus_two(u) + np.linalg.slogdet(H / 2)[1]


@pytest.mark.parametrize(
    "parts", [{}, {"zi": "~ x"}, {"zi": "~ x + (1 | g)"}, {"hurdle": "~ (1 | g)"}]
)
def test_the_laplace_approximation_is_that_of_a_dense_computation(parts):
    model = mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", data(), "nbinom1", **parts)
    parameters = model.parameters(False)
    rng = np.random.default_rng(3)
    beta, psi = np.array([0.4, 0.3]), 0.4 * rng.normal(size=len(parameters.psi))
    theta = 0.6 + 0.2 * rng.uniform(size=len(model.theta))
    found = model.objective_at(np.concatenate([beta, psi, theta]))
    assert found == pytest.approx(dense_laplace(model, beta, psi, theta), abs=2e-5)
