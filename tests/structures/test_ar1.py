"""`ar1`, whose λ is no linear function of θ, against dense matrices; and all that uses a fit."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

import numbamm as mm
from numbamm.inference.random.components import Components


@cache
def data() -> pd.DataFrame:
    """Visits in no order, some missing."""
    rng = np.random.default_rng(6)
    d = pd.DataFrame([(i, t) for i in range(40) for t in range(5)], columns=["id", "t"])
    R = 0.7 ** np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    effects = rng.normal(size=(40, 5)) @ np.linalg.cholesky(R).T
    d["h"], d["x"] = rng.integers(0, 7, len(d)), rng.normal(size=len(d))
    d["y"] = 1 + d.x + 1.2 * effects[d.id, d.t] + 0.5 * rng.normal(size=7)[d.h]
    d["y"] += 0.8 * rng.normal(size=len(d))
    d["count"] = rng.poisson(np.exp(0.4 * d.x + 0.6 * effects[d.id, d.t]))
    d["visit"] = d.t.map(lambda t: f"v{t}")
    return d.sample(frac=0.85, random_state=2)


def linear(**options):
    return mm.LinearMixedModel("y ~ x + ar1(0 + visit | id) + (1 | h)", data(), **options)


def dense_minimum(reml):
    d = data()
    y, X = d.y.to_numpy(), np.column_stack([np.ones(len(d)), d.x])
    t, i, h = d.t.to_numpy(), d.id.to_numpy(), d.h.to_numpy()
    lag, same, other = np.abs(np.subtract.outer(t, t)), np.equal.outer(i, i), np.equal.outer(h, h)

    def value(p):
        V = np.exp(2 * p[0]) * same * np.tanh(p[1]) ** lag + np.exp(2 * p[2]) * other
        V += np.exp(2 * p[3]) * np.eye(len(y))
        VX = np.linalg.solve(V, X)
        information = X.T @ VX
        r = y - X @ np.linalg.solve(information, VX.T @ y)
        total = np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r) + len(y) * np.log(2 * np.pi)
        return total + reml * (np.linalg.slogdet(information)[1] - 2 * np.log(2 * np.pi))

    start = np.array([0.0, 0.8, -0.7, -0.2])
    found = minimize(value, start, method="BFGS", options={"gtol": 1e-6})
    return found.fun, found.x


@pytest.mark.parametrize("optimizer", ["auto", "newton", "nlopt:LN_BOBYQA", "scipy:L-BFGS-B"])
@pytest.mark.parametrize("reml", [False, True])
def test_fits_by_dense_matrices(optimizer, reml):
    m = linear(reml=reml).fit(optimizer=optimizer)
    value, at = dense_minimum(reml)
    assert_allclose(m.objective, value, atol=1e-5)
    sd, rho, other, sigma = np.exp(at[0]), np.tanh(at[1]), np.exp(at[2]), np.exp(at[3])
    assert_allclose(m.varcorr["id"].sd, np.full(5, sd), rtol=2e-3)
    lag = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    assert_allclose(m.varcorr["id"].corr, rho**lag, atol=2e-3)
    assert_allclose([m.varcorr["h"].sd[0], m.sigma], [other, sigma], rtol=5e-3)


def test_gradient():
    m, theta = linear(), np.array([0.9, 0.4, 0.6])
    steps = 1e-5 * np.eye(3)
    expected = [(m.objective_at(theta + h) - m.objective_at(theta - h)) / 2e-5 for h in steps]
    assert_allclose(m.objective_gradient(theta)[1], expected, rtol=1e-6, atol=1e-6)


def test_what_comes_after_the_fit(tmp_path):
    m = linear(reml=True).fit(optimizer="newton")
    assert m.n_parameters == 2 + 3 + 1
    names = Components.of(m).names
    assert names == ["sd_visit[v0]..visit[v4]|id", "rho_visit[v0]..visit[v4]|id", "sd_Intercept|h"]
    replicates = m.bootstrap(3, seed=1)
    own = replicates.frame[names[1]]
    assert_allclose(own, np.sin(replicates.frame["theta_id.rho_angle.visit[v0]..visit[v4]"]))
    m.save(tmp_path / "fit.json")
    again = linear(reml=True)
    again.restore(tmp_path / "fit.json")
    assert_allclose(again.fittedvalues, m.fittedvalues, rtol=1e-10)
    assert np.isfinite(m.ranef()["id"].to_numpy()).all()
    assert m.simulate(3).notna().all()


def test_profiles():
    m = linear().fit(optimizer="newton")
    sd, rho, _ = Components.of(m).names
    theta = "theta_id.rho_angle.visit[v0]..visit[v4]"
    limits = m.profile([sd, rho, theta]).conf_int(alpha=0.2)
    assert_allclose(limits.loc[rho], np.sin(limits.loc[theta]), rtol=1e-4)
    deviation = m.varcorr["id"].sd[0]
    assert limits.loc[sd].iloc[0] < deviation < limits.loc[sd].iloc[1]
    # where the standard deviation is held at a limit, the best deviance is higher by its quantile
    s, sigma = limits.loc[sd].iloc[0], m.sigma

    def held(v):
        twin = linear(sigma=np.exp(v[0]))
        return twin.objective_at([s / np.exp(v[0]), v[1], v[2]])

    found = minimize(held, [np.log(sigma), *m.theta[1:]], method="Nelder-Mead")
    assert_allclose(found.fun - m.objective, 1.2815515655446008**2, atol=1e-3)


def test_a_generalized_model():
    g = mm.glmm("count ~ x + ar1(0 + visit | id)", data(), "poisson")
    space = g.space_of(g.parameters(fast=False))
    x, objective = space.to_scaled(g.optsum.final) + 0.05, space.laplace
    steps = 1e-5 * np.eye(len(x))
    expected = [(objective(x + h) - objective(x - h)) / 2e-5 for h in steps]
    assert_allclose(objective.gradient(x)[1], expected, rtol=1e-5, atol=1e-4)
    assert g.objective < mm.glmm("count ~ x + (1 | id)", data(), "poisson").objective
