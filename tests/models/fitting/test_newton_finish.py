"""Newton steps after a search without derivatives."""

import numpy as np
import pytest
from models.test_random_starts import draw

import numbamm as mm
from numbamm.models.fitting.newton_finish import newton_finish


@pytest.mark.parametrize(
    "seed, family", [(9102, "gamma"), (9104, "negativebinomial")], ids=["gamma", "counts"]
)
def test_a_search_that_stopped_short_in_a_valley_ends_at_its_bottom(seed, family):
    formula, data, weights = draw(np.random.default_rng(seed), family, "inverse-squared")
    model = mm.glmm(formula, data, family, "inverse-squared", weights=weights, progress=False)
    assert model.optsum.chosen == "nlopt:LN_BOBYQA"
    _, slopes = model.objective_gradient(model.optsum.final)
    free = (model.optsum.final != 0) | ~np.isfinite(model.optsum.lowerbd)
    assert np.abs(slopes[free]).max() < 1e-3 * np.abs(model.objective)
    assert model.objective == pytest.approx(model.objective_at(model.optsum.final), abs=1e-9)


@pytest.mark.parametrize("nagq", [1, 9])
def test_from_a_point_nearby_it_reaches_the_minimum(nagq):
    cbpp = mm.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, cbpp, "binomial", nagq=nagq)
    best, at = model.objective, model.optsum.final.copy()
    model.optsum.final = at + 0.02 * np.random.default_rng(3).normal(size=len(at))
    model.optsum.fmin = model.objective_at(model.optsum.final)
    assert model.optsum.fmin > best + 1e-4
    newton_finish(model)
    assert model.optsum.fmin == pytest.approx(best, abs=1e-8)
    assert model.objective_at(model.optsum.final) == pytest.approx(best, abs=1e-8)
