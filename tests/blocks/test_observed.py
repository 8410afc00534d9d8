"""The traces that make Newton's Hessian exact, against differences of the gradient."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.blocks import observed
from numbamm.blocks.observed import Traces
from numbamm.blocks.search.structured import derivatives
from numbamm.optimize.differences import jacobian

rng = np.random.default_rng(8)
DATA = pd.DataFrame({"g": rng.integers(0, 9, 120), "h": rng.integers(0, 5, 120)})
DATA["f"], DATA["x"] = rng.choice(list("abc"), 120), rng.normal(size=120)
DATA = DATA[~((DATA.g == 2) & (DATA.f == "c"))]
DATA["y"] = DATA.x + rng.normal(size=9)[DATA.g] + rng.normal(size=len(DATA))
DATA["w"] = rng.uniform(0.5, 2, len(DATA))

FORMULAS = {
    "one term": "y ~ x + hetar1(0 + f | g)",
    "crossed": "y ~ x + (1 | h) + cs(0 + f | g)",
    "nested": "y ~ x + (1 + x | g) + homtoep(0 + f | g:h)",
    "reduced rank": "y ~ x + rr(0 + f | g, d=1) + ar1(0 + f | h)",
}


@pytest.mark.parametrize("options", [{}, {"reml": True}, {"sigma": 0.7, "weights": "w"}])
@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_the_hessian_is_exact(formula, options):
    m = mm.LinearMixedModel(formula, DATA, **options)
    space, blocks = m.space, m.blocks
    theta = m.scaled.to_scaled(m.theta) + rng.uniform(-0.2, 0.2, len(m.theta))
    expected = jacobian(lambda x: space.gradient(x)[1], theta, np.full(len(theta), 1e-4))
    slopes = space.gradient(theta)[1]
    g, H = derivatives(blocks, theta, space.criterion, Traces.of(blocks))
    assert_allclose(g, slopes, atol=1e-9 * np.abs(slopes).max())
    assert_allclose(H, expected, atol=1e-5 * np.abs(expected).max())
    blocks.objective_gradient(theta, *space.criterion)
    approximate = derivatives(blocks, theta, space.criterion)[1]
    assert np.abs(approximate - expected).max() > 1e-3 * np.abs(expected).max()


def test_not_where_they_take_long(monkeypatch):
    blocks = [mm.LinearMixedModel(f, DATA).blocks for f in list(FORMULAS.values())[:2]]
    monkeypatch.setattr(observed, "MOST_EFFECTS", 10)
    assert Traces.of(blocks[1]) is None and Traces.of(blocks[0]) is not None
    monkeypatch.setattr(observed, "MOST_OPERATIONS", 10)
    assert Traces.of(blocks[0]) is None
