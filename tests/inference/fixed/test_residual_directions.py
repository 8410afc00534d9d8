"""Products with directions of residual parameters, against matrices of order n, at any R."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from inference.fixed.dense_inference import DenseInference
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError
from numbamm.inference.fixed import residual_directions
from numbamm.inference.fixed.residual_directions import _Sums

TERMS = ["(1 + x | g)", "(1 | h) + (1 + x | g)", "cs(0 + C(h) | g)", "(1 | k)"]
PHI = np.array([0.4, 0.2])


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 60
    d = pd.DataFrame({"g": rng.integers(0, 9, n), "h": rng.integers(0, 4, n)})
    d["t"], d["x"] = rng.integers(0, 8, n), rng.normal(size=n)
    d["k"] = 3 * d.g + rng.integers(0, 3, n)  # nested in g: one component for each g
    d["y"] = rng.normal(size=n) + rng.normal(size=9)[d.g] + d.x
    return d


def correlation(d, phi):
    """A decay with the distance in time within g, beside a share of its own for each row."""
    same = np.equal.outer(d.g.to_numpy(), d.g.to_numpy())
    apart = np.abs(np.subtract.outer(d.t.to_numpy(), d.t.to_numpy()))
    sd = np.exp(phi[1] * d.x.to_numpy())
    return np.outer(sd, sd) * np.where(
        same, 0.9 * np.sin(phi[0]) ** apart + 0.1 * np.eye(len(d)), 0
    )


class State:
    """What sums ask of the residual side, by dense matrices."""

    def __init__(self, d, phi):
        self.inverse = np.linalg.inv(correlation(d, phi))
        self.slopes = [correlation(d, phi + 1e-30j * e).imag / 1e-30 for e in np.eye(2)]

    def solve(self, M):
        return self.inverse @ M

    def moves(self, M):
        return np.array([slope @ M for slope in self.slopes])

    def trace(self):
        return np.array([np.trace(self.inverse @ slope) for slope in self.slopes])

    def traces(self):
        moved = [self.inverse @ slope for slope in self.slopes]
        return np.array([[np.sum(a * b.T) for b in moved] for a in moved])


def covariance(m, d):
    """V as a function of log σ², φ, and changes of the free entries of Γ."""
    Z = [term.toarray() for term in m.reterms]

    def V(t):
        at, inner = 3, correlation(d, t[1:3])
        for term, z in zip(m.reterms, Z, strict=True):
            units = term.structure.directions(term.theta)
            changes = np.tensordot(t[at : at + len(units)], units, 1)
            at += len(units)
            gamma = term.lambda_ @ term.lambda_.T + changes
            inner = inner + z @ np.kron(np.eye(term.nlevels), gamma) @ z.T
        return np.exp(t[0]) * inner

    return V


@pytest.mark.parametrize("batch", [2**22, 100])
@pytest.mark.parametrize("terms", TERMS)
def test_all_products(data, terms, batch, monkeypatch):
    monkeypatch.setattr(residual_directions, "BATCH", batch)
    m = mm.lmm(f"y ~ x + {terms}", data, reml=True)
    t = np.concatenate([[np.log(m.sigma**2)], PHI, np.zeros(len(m.theta))])
    dense = DenseInference(covariance(m, data), t, m.frame.X, m.frame.y)
    monkeypatch.setattr(residual_directions, "_Residuals", lambda side, has_sigma: State(data, PHI))
    side = SimpleNamespace(size=2, reading=SimpleNamespace(groups=data.g.to_numpy()))
    estimates = SimpleNamespace(beta=dense.beta, sigma_given=False, reml=True)
    shared = {name: getattr(m, name) for name in ("scaled", "frame", "feterm", "sigma", "nobs")}
    model = SimpleNamespace(**shared, residual_side=side, estimates=estimates)
    for term, own in zip(m.scaled.terms, m.scaled.structure.split(m.theta), strict=True):
        term.theta = own
    found = _Sums(model, m.scaled.terms).directions()
    basis = m.feterm.to_basis
    assert_allclose(basis @ found.phi @ basis.T, dense.phi, rtol=1e-10)
    assert_allclose(found.P, -basis.T @ dense.P @ basis, rtol=1e-9, atol=1e-9)
    assert_allclose(found.Q, basis.T @ dense.Q @ basis, rtol=1e-9, atol=1e-9)
    assert_allclose(found.expected, 2 * dense.expected, rtol=1e-9, atol=1e-9)
    e, P, slopes = dense.residual, dense.project, dense.slopes
    squares = np.array([[e @ a @ P @ b @ e for b in slopes] for a in slopes])
    assert_allclose(found.squares[1:, 1:], squares[1:, 1:], rtol=1e-9, atol=1e-9)


def test_too_many_connected_effects(data, monkeypatch):
    monkeypatch.setattr(
        residual_directions, "refuse_beyond", lambda needed, what, remedy: _refuse(what, remedy)
    )
    m = mm.LinearMixedModel("y ~ x + (1 | h) + (1 | g)", data)
    with pytest.raises(DataError, match='connect 13 random effects.*ddf="wald"'):
        residual_directions._Components(m.reterms, np.zeros(60, dtype=int))


def _refuse(what, remedy):
    raise DataError(f"{what}: {remedy}")
