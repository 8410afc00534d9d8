"""The covariance of residuals as a part of a model: coordinates, copies, responses, matrices."""

import copy
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import numbamm as mm


def frame(seed=0):
    rng = np.random.default_rng(seed)
    rows = [(g, t) for g in range(15) for t in rng.choice(5, rng.integers(1, 6), replace=False)]
    d = pd.DataFrame(rows, columns=["g", "t"])
    d["item"], d["x"] = rng.integers(0, 6, len(d)), rng.normal(size=len(d))
    d["w"] = rng.uniform(0.5, 2, len(d))
    d["y"] = d.x + rng.normal(size=15)[d.g] + rng.normal(size=6)[d["item"]]
    d["y"] += rng.normal(size=len(d)) * np.exp(0.3 * d.x)
    return d


D = frame()
MODEL = dict(residual="ar1(t | g)", dispersion="~ x")
FORMULA = "y ~ x + (1 | item)"


@pytest.fixture(scope="module")
def m():
    return mm.lmm(FORMULA, D, weights="w", **MODEL)


def test_r_of_rows(m):
    rows = np.array([3, 0, 20, 7])
    own = D.iloc[rows]
    found = m.residual_side.parameters(m.residual_side.phi, m.sigma)
    d = np.exp(found["dispersion.x"] * own.x) / np.sqrt(own.w)
    lag = np.abs(np.subtract.outer(own.t.to_numpy(), own.t.to_numpy()))
    same = np.equal.outer(own.g.to_numpy(), own.g.to_numpy())
    expected = np.outer(d, d) * np.where(same, found["rho"] ** lag, 0.0)
    assert_allclose(m.residual_side.at_rows(rows), expected, atol=1e-14)


def test_a_new_response(m):
    other = mm.LinearMixedModel(FORMULA, D, weights="w", **MODEL).fit()
    y = D.y**2
    assert_allclose(
        other.refit(y).objective, mm.lmm(FORMULA, D.assign(y=y), weights="w", **MODEL).objective
    )
    assert_allclose(other.refit(D.y).objective, m.objective)


def test_a_twin_has_phi_of_its_own(m):
    twin = m.twin()
    twin.residual_side.phi[:] = 0.0
    assert (m.residual_side.phi != 0).all()


@given(
    seed=st.integers(0, 100),
    scale=st.sampled_from([1e-6, 1.0, 1e5]),
    shift=st.sampled_from([0.0, 1e4]),
)
def test_invariance(m, seed, scale, shift):
    """The order of rows, names of levels, and the unit and origin of the response."""
    d = D.sample(frac=1, random_state=seed)
    names = {"g": d.g.map("s{}".format), "item": "é" + d["item"].astype(str)}
    d = d.assign(y=scale * d.y + scale * shift, **names)
    other = mm.lmm(FORMULA, d, weights="w", **MODEL)
    constant = 2 * len(d) * np.log(scale)
    assert_allclose(other.objective - constant, m.objective, atol=1e-6)
    assert_allclose(other.residual_side.phi, m.residual_side.phi, atol=1e-4)
    assert_allclose(other.sigma / scale, m.sigma, rtol=1e-4)


def test_units_of_a_covariate():
    """σ is that of a row with 0, however far away."""
    base = mm.lmm(FORMULA, D, dispersion="exp(x)")
    far = mm.lmm(FORMULA, D.assign(z=1e3 * D.x + 2e4), dispersion="exp(z)")
    assert_allclose(far.objective, base.objective, atol=1e-6)
    rate = far.residual_side.phi[0]
    assert_allclose(1e3 * rate, base.residual_side.phi[0], rtol=1e-3)
    assert_allclose(np.log(far.sigma) + 2e4 * rate, np.log(base.sigma), atol=1e-3)


def test_a_failed_fit_loses_nothing(m):
    other = mm.LinearMixedModel(FORMULA, D, weights="w", **MODEL).fit()
    phi, theta = other.residual_side.phi.copy(), other.theta.copy()
    with pytest.raises(mm.errors.NumbammError):
        other.refit(np.full(len(D), np.nan))
    with pytest.raises(mm.errors.NumbammError):
        other.refit(D.x, optimizer="no such one")
    assert_allclose(other.residual_side.phi, phi)
    assert_allclose(other.theta, theta)
    assert_allclose(other.objective_at(other.x), other.objective)


def test_copies(m):
    again = pickle.loads(pickle.dumps(m))
    assert_allclose(again.objective_at(again.x), m.objective)
    assert_allclose(copy.deepcopy(m).refit().objective, m.objective)
    saved = m.update(fit=False)
    with tempfile.TemporaryDirectory() as folder:
        m.save(Path(folder) / "fit.json")
        saved.restore(Path(folder) / "fit.json")
    assert_allclose(saved.residual_side.phi, m.residual_side.phi)
    assert_allclose(saved.params, m.params)
    assert saved.sigma == m.sigma and str(saved) == str(m)
    assert m.update(residual="homcs(1 | g)").residual_side.texts.residual.structure == "homcs"
    assert m.n_parameters == 6
