"""Steps from the Laplace approximation's minimum to that of quadrature."""

import numpy as np
import pytest
from ordinal_models import simulated

import numbamm as mm
from numbamm.models.ordinal import ordinal_search

FORMULA = "y ~ x + (1 | g)"


@pytest.mark.parametrize(
    ("link", "formula", "nagq", "options"),
    [
        ("logit", FORMULA, 7, {}),
        ("cloglog", FORMULA, 3, {"scale": "~ `odd name`"}),
        ("probit", "y ~ x + (1 + `odd name` | g)", 2, {"threshold": "symmetric"}),
    ],
)
def test_they_end_where_a_search_without_derivatives_does(
    link, formula, nagq, options, monkeypatch
):
    mended = mm.clmm(formula, simulated(), link, nagq=nagq, **options)
    monkeypatch.setattr(ordinal_search, "quadrature_steps", lambda *_: False)
    searched = mm.clmm(formula, simulated(), link, nagq=nagq, **options)
    assert mended.objective == pytest.approx(searched.objective, abs=1e-7)
    np.testing.assert_array_less(np.abs(mended.params - searched.params) / searched.bse, 1e-3)
    assert mended.optsum.feval < searched.optsum.feval
    assert mended.optsum.gradient_norm < 1e-3 and mended.optsum.nagq == nagq


def test_a_variance_of_zero_is_left_to_a_search():
    rng = np.random.default_rng(1)
    data = {"y": rng.integers(0, 3, 60), "g": np.arange(60) % 12}
    model = mm.clmm("y ~ 1 + (1 | g)", data, nagq=5)
    assert model.is_singular() and model.converged
    assert model.objective == pytest.approx(model.objective_without_effects, abs=1e-6)
    space = model.space_of(model._searched[False], 5)
    before = vars(model.optsum).copy()
    assert not ordinal_search.quadrature_steps(space, space, model.optsum)
    assert vars(model.optsum) == before
