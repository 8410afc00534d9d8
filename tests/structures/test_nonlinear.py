"""A structure whose λ is no linear function of θ, as a contributor would write it: AR(1).

It lives here, so that what the rooms promise of such structures is tried before there are any.
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

import numbamm as mm
from numbamm.formula import model_frame
from numbamm.inference.random.components import Components
from numbamm.structures.structure import Structure


@dataclass(frozen=True)
class Ar1(Structure):
    """λλ' = s² ρ^|i-j|; θ are s and arctanh ρ."""

    p: int

    @cached_property
    def entries(self):
        column, row = np.triu_indices(self.p)
        return row * self.p + column

    @property
    def is_free(self):
        return False

    @property
    def is_linear(self):
        return False

    @property
    def size(self):
        return 2

    def values(self, theta):
        s, rho = theta[..., :1], np.tanh(theta[..., 1:])
        row, column = np.divmod(self.entries, self.p)
        return s * rho ** (row - column) * np.where(column > 0, np.sqrt(1 - rho**2), 1.0)

    def jacobian(self, theta):
        h = 1e-6 * np.eye(2)
        return np.array([(self.values(theta + e) - self.values(theta - e)) / 2e-6 for e in h]).T

    def nearest(self, matrix):
        s = matrix[0, 0]
        return np.array([s, np.arctanh(matrix[1, 0] / s) if s > 0 else 0.0])

    def rectified(self, theta):
        return theta * np.where(theta[:, :1] < 0, [-1.0, 1.0], 1.0)

    @cached_property
    def is_scale(self):
        return np.array([True, False])

    @property
    def rows(self):
        return np.array([0, 0])

    def column_sizes(self, sizes):
        return np.array([np.sqrt(np.mean(sizes**2)), 1.0])

    @property
    def of_one_size(self):
        return [list(range(self.p))]

    def labels(self, cnames):
        return [f"{cnames[0]}..{cnames[-1]}", f"rho.{cnames[0]}..{cnames[-1]}"]

    def deviations(self, cnames):
        return [(0, self.labels(cnames)[0])]

    @property
    def correlations(self):
        return [(0, 1)]

    def fall(self, N, size):
        return np.trace(N) / np.abs(np.diag(N)).sum(), np.array([1 / size.mean(), 0.0])

    def select(self, columns):
        return Ar1(len(columns))


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


def with_ar1(frame):
    """The frame with AR(1) for its term of several columns."""
    terms = [replace(t, structure=Ar1(t.p), theta=None) if t.p > 1 else t for t in frame.reterms]
    return replace(frame, reterms=terms)


def linear(**options):
    frame = model_frame("y ~ x + (0 + visit | id) + (1 | h)", data())
    return mm.LinearMixedModel.of_frame(with_ar1(frame), **options)


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
    assert names == ["sd_visit[v0]..visit[v4]|id", "cor_visit[v1].visit[v0]|id", "sd_Intercept|h"]
    replicates = m.bootstrap(3, seed=1)
    own = replicates.frame[names[1]]
    assert_allclose(own, np.tanh(replicates.frame["theta_id.rho.visit[v0]..visit[v4]"]))
    m.save(tmp_path / "fit.json")
    again = linear(reml=True)
    again.restore(tmp_path / "fit.json")
    assert_allclose(again.fittedvalues, m.fittedvalues, rtol=1e-10)
    assert np.isfinite(m.ranef()["id"].to_numpy()).all()
    assert m.simulate(3).notna().all()


def test_profiles():
    m = linear().fit(optimizer="newton")
    sd, rho, _ = Components.of(m).names
    theta = "theta_id.rho.visit[v0]..visit[v4]"
    limits = m.profile([sd, rho, theta]).conf_int(alpha=0.2)
    assert_allclose(limits.loc[rho], np.tanh(limits.loc[theta]), rtol=1e-4)
    deviation = m.varcorr["id"].sd[0]
    assert limits.loc[sd].iloc[0] < deviation < limits.loc[sd].iloc[1]
    # where the standard deviation is held at a limit, the best deviance is higher by its quantile
    s, sigma = limits.loc[sd].iloc[0], m.sigma

    def held(v):
        twin = mm.LinearMixedModel.of_frame(m.frame, sigma=np.exp(v[0]))
        return twin.objective_at([s / np.exp(v[0]), v[1], v[2]])

    found = minimize(held, [np.log(sigma), *m.theta[1:]], method="Nelder-Mead")
    assert_allclose(found.fun - m.objective, 1.2815515655446008**2, atol=1e-3)


def test_a_generalized_model():
    frame = with_ar1(model_frame("count ~ x + (0 + visit | id)", data()))
    g = mm.GeneralizedLinearMixedModel("count ~ x + (0 + visit | id)", frame, "poisson").fit()
    space = g.space_of(g.parameters(fast=False))
    x, objective = space.to_scaled(g.optsum.final) + 0.05, space.laplace
    steps = 1e-5 * np.eye(len(x))
    expected = [(objective(x + h) - objective(x - h)) / 2e-5 for h in steps]
    assert_allclose(objective.gradient(x)[1], expected, rtol=1e-5, atol=1e-4)
    assert g.objective < mm.glmm("count ~ x + (1 | id)", data(), "poisson").objective
