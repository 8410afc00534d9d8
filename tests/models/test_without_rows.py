"""A model without some rows is the model of the other rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm

RNG = np.random.default_rng(6)
N = 90
G, X = RNG.permutation(np.arange(N) % 9), RNG.normal(300, 2, N)
ETA = 0.4 * (X - 300) + RNG.normal(0, 0.7, 9)[G]
DATA = pd.DataFrame(
    {
        "y": ETA + RNG.normal(size=N),
        "k": RNG.poisson(np.exp(ETA)) * 1.0,
        "b": (RNG.random(N) < 1 / (1 + np.exp(-ETA))) * 1.0,
        "x": X,
        "g": G,
        "w": RNG.uniform(0.5, 2, N),
    }
)
ROWS = [3, 41, 42, 77]


@pytest.mark.parametrize("options", [{}, {"reml": True, "weights": "w"}, {"sigma": 1.2}])
def test_linear(options):
    formula = "y ~ x + (1 + x | g)"
    model = mm.lmm(formula, DATA, **options)
    before = model.objective, model.blocks.A.copy()
    part = model.without_rows(ROWS).refit()
    whole = mm.lmm(formula, DATA.drop(index=ROWS), **options)
    assert part.nobs == N - 4
    assert part.objective == pytest.approx(whole.objective, abs=1e-6)
    assert_allclose(part.params, whole.params, rtol=1e-4)
    assert (model.objective, len(model.fittedvalues)) == (before[0], N)
    np.testing.assert_array_equal(model.blocks.A, before[1])


@pytest.mark.parametrize(("y", "family"), [("k", "poisson"), ("b", "bernoulli")])
def test_generalized(y, family):
    formula = f"{y} ~ x + (1 | g)"
    model = mm.glmm(formula, DATA, family)
    part = model.without_rows(ROWS).refit(**model.fit_options)
    whole = mm.glmm(formula, DATA.drop(index=ROWS), family)
    assert part.objective == pytest.approx(whole.objective, abs=1e-5)
    assert_allclose(part.params, whole.params, rtol=1e-3)
    assert_allclose(part.theta, whole.theta, rtol=1e-3)


def test_a_level_without_rows_stays_and_has_no_effect():
    model = mm.lmm("y ~ 1 + (1 | g)", DATA)
    rows = np.flatnonzero(G == 4)
    part = model.without_rows(rows).refit()
    whole = mm.lmm("y ~ 1 + (1 | g)", DATA.drop(index=rows))
    assert part.objective == pytest.approx(whole.objective, abs=1e-6)
    assert part.reterms[0].nlevels == 9
    assert part.b[0][4] == pytest.approx(0.0, abs=1e-12)
