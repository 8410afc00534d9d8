"""What every model's search space promises to those who ask it."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import numbamm as mm

RNG = np.random.default_rng(11)
N = 120
DATA = {
    "x": RNG.normal(size=N),
    "far": 1990 + 5 * RNG.normal(size=N),
    "tiny": 1e-6 * RNG.normal(size=N),
    "g": np.array(list("abcdefgh"))[RNG.integers(0, 8, N)],
    "größe": RNG.integers(0, 15, N),
    "w": RNG.uniform(0.5, 2.0, N),
}
EFFECT = RNG.normal(size=15)[DATA["größe"]] * 0.5
DATA["y"] = 3 + DATA["x"] + EFFECT + RNG.normal(size=N)
DATA["count"] = RNG.poisson(np.exp(0.5 + EFFECT)) * 1.0
DATA["positive"] = RNG.gamma(3.0, np.exp(EFFECT) / 3.0)

BUILD = {
    "linear": lambda: mm.LinearMixedModel("y ~ x + (1 + far | g) + (1 | größe)", DATA),
    "REML": lambda: mm.LinearMixedModel("y ~ far + (1 | g)", DATA, reml=True, weights="w"),
    "known σ": lambda: mm.LinearMixedModel("y ~ 0 + x + (tiny || g)", DATA, sigma=0.9),
    "homdiag": lambda: mm.LinearMixedModel("y ~ 1 + homdiag(1 + x | größe)", DATA),
    "poisson": lambda: generalized("count ~ far + (1 + far | größe)", "poisson"),
    "no β": lambda: generalized("count ~ 0 + (1 | größe)", "poisson"),
    "shape": lambda: generalized("count ~ x + (1 | größe) + (1 | g)", "negativebinomial"),
    "dispersion": lambda: generalized("positive ~ x + (1 + tiny | größe)", "gamma", "log"),
}
BUILT: dict = {}


def generalized(*how):
    return mm.GeneralizedLinearMixedModel(how[0], DATA, *how[1:])


def spaces(name):
    """A model, and its search spaces."""
    if name not in BUILT:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mm.NumbammWarning)
            model = BUILD[name]()
        if model.is_linear:
            BUILT[name] = model, [model.space]
        else:
            BUILT[name] = model, [model.space_of(model.parameters(f)) for f in (True, False)]
    return BUILT[name]


each = pytest.mark.parametrize("name", BUILD)


def point(space, seed):
    """Coordinates of ordinary size, θ away from zero."""
    rng = np.random.default_rng(seed)
    n = len(space.parameters.names) if hasattr(space, "parameters") else space.scaled.structure.size
    z = rng.uniform(-0.5, 0.5, n)
    ntheta = space.scaled.structure.size
    z[-ntheta:] = rng.choice([-1.0, 1.0], ntheta) * rng.uniform(0.2, 1.2, ntheta)
    return z


@each
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_there_and_back(name, seed):
    for space in spaces(name)[1]:
        z = space.rectify(point(space, seed))
        assert_allclose(space.to_scaled(space.to_user(z)), z, rtol=1e-5, atol=1e-6)
        assert_allclose(space.rectify(z), z, atol=1e-12)


@each
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_signs_do_not_matter(name, seed):
    for space in spaces(name)[1]:
        z = point(space, seed)
        here, there = space.objective(z), space.objective(space.rectify(z))
        assert here == pytest.approx(there, rel=1e-9, nan_ok=True)


@each
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_models_and_their_spaces_agree(name, seed):
    """Objective and gradient at the user's parameters are those at coordinates."""
    model, found = spaces(name)
    for space in found:
        z = space.rectify(point(space, seed))
        x = space.to_user(z)
        value, slopes = space.gradient(z)
        assert model.objective_at(x) == pytest.approx(value, rel=1e-7, nan_ok=True)
        expected = model.objective_gradient(x)[1]
        found_here = space.user_gradient(x, slopes)
        size = np.abs(expected).max()
        assert_allclose(found_here, expected, rtol=1e-4, atol=1e-5 * size)


@each
def test_derivatives(name):
    """Gradient and Hessian against differences of the objective."""
    for space in spaces(name)[1]:
        z = space.rectify(point(space, 3))
        slopes, hessian = space.derivatives(z)
        assert_allclose(hessian, hessian.T)
        steps = np.diag(1e-4 * np.maximum(np.abs(z), 0.1))
        expected = [
            (space.objective(z + h) - space.objective(z - h)) / (2 * h.max()) for h in steps
        ]
        assert_allclose(slopes, expected, rtol=1e-4, atol=1e-4 * np.abs(slopes).max())
        by_gradient = [(space.gradient(z + h)[1] - space.gradient(z - h)[1]) for h in steps]
        by_gradient = np.array(by_gradient) / (2 * steps.max(axis=1))[:, None]
        assert_allclose(hessian, by_gradient, rtol=1e-3, atol=1e-3 * np.abs(hessian).max())
