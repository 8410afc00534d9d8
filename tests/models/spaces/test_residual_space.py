"""The criterion in φ and θ: gradients against differences, coordinates there and back."""

import numpy as np
import pandas as pd
import pytest
from models.residual_side.test_side import D
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import ConvergenceWarning
from numbamm.models.spaces import residual_space
from numbamm.structures.registry import by_name

TIMES = {"visits": "t", "lags": "t", "distances": "t"}
SIDES = {
    name: {"residual": f"{name}({TIMES[kind.reading]} | g)"}
    for name, kind in by_name().items()
    if kind.reading
}
SIDES |= {
    "nugget": {"residual": "exp(t | g, nugget=True)"},
    "by": {"residual": "hetar1(t | g, by=half)"},
    "plane": {"residual": "gau(t, x | 1, nugget=True)"},
    "formula": {"dispersion": "~ x + C(t)"},
    "power": {"dispersion": "power(w, by=half)"},
    "constpower": {"dispersion": "constpower(w)"},
    "both": {"residual": "us(t | g)", "dispersion": ["~ x", "power(w)"]},
}
FORMULAS = ["y ~ x + (1 + x | g) + (1 | item)", "y ~ x", "y ~ x + cs(0 + C(t) | item)"]


def some_point(m, seed=0):
    rng = np.random.default_rng(seed)
    z = m.space.to_scaled(m.optsum.initial)
    k = m.residual_side.size
    return z + np.concatenate([rng.uniform(-0.25, 0.25, k), rng.uniform(-0.1, 0.1, len(z) - k)])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("reml", [False, True])
def test_gradients(side, reml):
    d = D.assign(half=np.where(D.g < 8, "a", "b"))
    for formula in FORMULAS[:2] if side not in ("us", "both") else FORMULAS:
        m = mm.LinearMixedModel(formula, d, reml=reml, weights="w", **SIDES[side])
        space, z = m.space, some_point(m)
        value, gradient = space.gradient(z)
        assert_allclose(space.objective(z), value, rtol=1e-13)
        steps = 1e-5 * np.eye(len(z))
        expected = [(space.objective(z + h) - space.objective(z - h)) / 2e-5 for h in steps]
        assert_allclose(gradient, expected, atol=1e-6 * max(1.0, np.abs(gradient).max()))
        x = space.to_user(z)
        assert_allclose(space.to_scaled(x), z, rtol=1e-10)
        assert_allclose(m.objective_at(x), value, rtol=1e-12)
        expected = [(m.objective_at(x + h) - m.objective_at(x - h)) / 2e-5 for h in steps]
        found = m.objective_gradient(x)[1]
        assert_allclose(found, expected, atol=2e-6 * max(1.0, np.abs(found).max()))


def test_a_known_sigma():
    m = mm.LinearMixedModel(FORMULAS[0], D, sigma=0.8, residual="ar1(t | g)", dispersion="~ x")
    space, z = m.space, some_point(m)
    steps = 1e-5 * np.eye(len(z))
    expected = [(space.objective(z + h) - space.objective(z - h)) / 2e-5 for h in steps]
    assert_allclose(space.gradient(z)[1], expected, atol=1e-6)
    assert m.fit().sigma == 0.8 and m.converged


def test_where_there_is_no_objective():
    m = mm.LinearMixedModel("y ~ x", D, residual="ar1(t | g)")
    z = np.array([np.pi / 2])
    assert m.space.objective(z) == np.inf and np.isnan(m.space.gradient(z)[1]).all()
    assert np.isnan(m.space.information(z)[1]).all()


def test_a_singular_fit_is_judged():
    """A random intercept that is zero: the certificate says that this is the minimum."""
    rng = np.random.default_rng(3)
    d = D.assign(y=rng.normal(size=len(D)))
    d["y"] -= d.groupby("item").y.transform("mean")
    m = mm.lmm("y ~ 1 + (1 | item)", d, residual="ar1(t | g)")
    assert m.is_singular() and m.optsum.certificate > 0 and m.converged


def test_least_phi():
    m = mm.LinearMixedModel("y ~ x", D, residual="ar1(t | g)")
    assert_allclose(m.space.rectify(np.array([np.pi - 0.3])), [0.3])


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("unit", [1.0, 1e7])
def test_a_likelihood_without_maximum_ends_with_a_warning(seed, unit, monkeypatch):
    """A single group has all visits, so that one direction of C has a single contrast of rows."""
    monkeypatch.setattr(residual_space, "MOST", 60)
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"g": np.repeat(np.arange(9), 4), "t": np.tile(np.arange(4), 9)})
    d["y"] = unit * rng.normal(size=36)
    d = d[(d.g == 0) | (d.t != d.g % 4)]
    d = d.assign(x=rng.normal(size=len(d)))
    with pytest.warns(ConvergenceWarning) as caught:
        m = mm.lmm("y ~ x", d, residual="us(t | g)")
    assert "us(t | g)" in str(caught[0].message) and "fewer parameters" in str(caught[0].message)
    assert m.optsum.returnvalue == "MAXEVAL_REACHED" and m.optsum.feval == 60
    assert np.isfinite(m.objective) and np.isfinite(m.bse).all()
