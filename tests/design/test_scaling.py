"""Scaling: another basis of the same model, for columns far from 0 or of odd size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from numbamm.design.remat import ReMat, amalgamate
from numbamm.design.scaling import Scaling
from numbamm.structures.diag import Diag

N = 30
RNG = np.random.default_rng(8)
ONE, X, W = np.ones(N), RNG.normal(size=N), RNG.normal(size=N)
REFS = np.arange(N) % 5


def term(*columns, structure=None):
    names = [f"c{j}" for j in range(len(columns))]
    return ReMat("g", REFS, np.arange(5), names, np.vstack(columns), structure)


def covariance(t, theta):
    lam = np.zeros((t.p, t.p))
    lam.ravel()[t.structure.entries] = theta
    return t.toarray() @ np.kron(np.eye(5), lam @ lam.T) @ t.toarray().T


@pytest.mark.parametrize("shift", [0.0, 0.5, -15.0])
def test_ordinary_columns_are_left_alone(shift):
    assert Scaling.of_term(term(ONE, X + shift)) is None


FAR = {
    "shifted": term(ONE, X + 2000),
    "large": term(ONE, 1e6 * X),
    "small intercept": term(1e-3 * ONE, X),
    "two shifted": term(ONE, X + 300, 1e4 * W - 1e7),
    "diagonal": term(ONE, X + 2000, 1e5 * W, structure=Diag(3)),
    "patterned": amalgamate([term(ONE, 40 + X), term(1e5 * W)])[0],
    "no intercept": term(X + 2000, 1e4 * W),
}


@pytest.mark.parametrize("name", FAR)
def test_same_model_inside_and_outside(name):
    t = FAR[name]
    scaling = Scaling.of_term(t)
    inside = scaling.scaled(t)
    theta_inside = np.where(t.structure.is_scale, 0.7, -0.4)
    theta = scaling.to_user(theta_inside)
    assert (theta[t.structure.is_scale] >= 0).all()
    assert_allclose(covariance(t, theta), covariance(inside, theta_inside), rtol=1e-6, atol=1e-8)
    assert_allclose(scaling.to_scaled(theta), theta_inside, rtol=1e-6)
    assert (np.mean(inside.z**2, axis=1) <= 401).all()


@pytest.mark.parametrize("name", FAR)
def test_effects_come_back(name):
    t = FAR[name]
    scaling = Scaling.of_term(t)
    inside = scaling.scaled(t)
    theta_inside = np.where(t.structure.is_scale, 0.7, -0.4)
    inside.theta = theta_inside
    u_inside = RNG.normal(size=(5, t.p))
    b_inside = u_inside @ inside.lambda_.T
    t.theta = theta = scaling.to_user(theta_inside)
    u, b = scaling.effects(theta, u_inside, b_inside)
    assert_allclose(u @ t.lambda_.T, b, rtol=1e-6, atol=1e-9 * np.abs(b).max())
    assert_allclose((u**2).sum(1), (u_inside**2).sum(1))
    linear = np.einsum("pn,np->n", t.z, b[REFS])
    assert_allclose(linear, np.einsum("pn,np->n", inside.z, b_inside[REFS]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", FAR)
def test_gradient_comes_back(name):
    """Of any function of the covariance; here the sum of its entries, each with its own weight."""
    t = FAR[name]
    scaling = Scaling.of_term(t)
    weight = np.random.default_rng(1).normal(size=(t.p, t.p))
    weight = scaling.T.T @ (weight + weight.T) @ scaling.T  # as large outside as inside

    def value(theta):
        lam = np.zeros((t.p, t.p))
        lam.ravel()[t.structure.entries] = theta
        return (weight * (lam @ lam.T)).sum(), (2 * weight @ lam)

    theta = scaling.to_user(np.where(t.structure.is_scale, 0.7, -0.4))
    lam_inside = np.zeros((t.p, t.p))
    lam_inside.ravel()[t.structure.entries] = scaling.to_scaled(theta)
    inverse = np.linalg.inv(scaling.T)
    G_inside = 2 * inverse.T @ weight @ inverse @ lam_inside
    expected = value(theta)[1].ravel()[t.structure.entries]
    found = scaling.gradient(theta, G_inside)
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@given(scale=st.sampled_from([1e-8, 1e8]))
def test_weights_count_in_the_size(scale):
    scaling = Scaling.of_term(term(ONE, X), np.sqrt(scale) * ONE)
    assert_allclose(np.mean(scale * scaling.z**2, axis=1), 1.0)
