"""Columns in which chosen ones stand first: the same model, rows of λ of one entry and of two."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.profiling.generalized_surface import GeneralizedSurface
from numbamm.inference.profiling.leading import leading
from numbamm.inference.profiling.linear_surface import LinearSurface
from numbamm.inference.random.components import Components


@pytest.fixture(scope="module")
def rows():
    """A column far from 0 and one of odd size, weights and an offset."""
    rng = np.random.default_rng(5)
    g, h = rng.integers(0, 20, 300), rng.integers(0, 6, 300)
    x, v = rng.normal(2000, 3, 300), rng.normal(size=300) / 1e4
    b = rng.normal(size=(20, 3)) * [1, 0.3, 5000]
    eta = 0.1 * (x - 2000) + b[g, 0] + b[g, 1] * (x - 2000) + b[g, 2] * v + rng.normal(size=6)[h]
    y = 5 + eta + rng.normal(size=300)
    counts = rng.poisson(np.exp(0.3 * eta)).astype(float)
    return {"y": y, "c": counts, "x": x, "v": v, "g": g, "h": h, "w": rng.uniform(0.5, 3, 300)}


RANDOM = "x + (1 + x + v | g) + (1 | h)"


@pytest.fixture(scope="module", params=["linear", "poisson", "ordinary"])
def surface(request, rows):
    if request.param == "poisson":
        return GeneralizedSurface.of(mm.glmm(f"c ~ {RANDOM}", rows, "poisson"))
    if request.param == "ordinary":
        rows = rows | {"x": rows["x"] - 2000, "v": 1e4 * rows["v"]}
    return LinearSurface.of(mm.lmm(f"y ~ {RANDOM}", rows, weights="w", offset=0.1 * rows["x"]))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_model_is_the_same(surface):
    model = surface.model
    term = next(k for k, t in enumerate(model.reterms) if t.p == 3)
    names = Components.of(model).names
    x = surface.best + 0.05
    theta = model.scaled.to_user(surface._scaled_theta(x))
    values = Components.of(model).values(theta[None], np.array([surface.sigma(x)]))[0]
    known = dict(zip(names, values, strict=True))
    for name, (k, lead) in surface._places.items():
        scalings = list(model.scalings)
        scalings[k] = leading(model.reterms[k], scalings[k], lead, model.scaled.root) or scalings[k]
        led = type(surface)(model.in_columns(scalings))
        z = led.best.copy()
        z[: len(x) - len(theta)] = x[: len(x) - len(theta)]
        led._scaled_theta(z)[:] = led.model.scaled.to_scaled(theta)
        assert_allclose(led.deviance(z)[0], surface.deviance(x)[0], rtol=1e-9)
        rows = [led._row(k, r) @ z for r in lead]
        sizes = sorted(map(len, rows))
        assert sizes == [1, 2][: len(lead)] or k != term
        if len(lead) == 1:
            assert_allclose(surface.sigma(x) * abs(rows[0][0]), known[name], rtol=1e-6)
        else:
            one, two = sorted(rows, key=len)
            assert_allclose(np.sign(one[0]) * two[0] / np.hypot(*two), known[name], rtol=1e-5)


def test_nothing_changes_where_they_stand_first():
    sleep = mm.datasets.load("sleepstudy")
    [term] = mm.LinearMixedModel("Reaction ~ 1 + (1 + Days | Subject)", sleep).reterms
    assert leading(term, None, (0,), None) is None
    assert leading(term, None, (0, 1), None) is None
    swapped = leading(term, None, (1,), None)
    size = np.sqrt(np.mean(np.arange(10) ** 2))
    assert_allclose(swapped.T, [[0, size], [1, 0]])
    assert_allclose(swapped.z, term.z[::-1] / [[size], [1]])
