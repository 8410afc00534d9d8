"""Starting values: the coefficients of the model without random effects."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm


@pytest.mark.parametrize(
    ("formula", "data", "family"),
    [
        ("cbind(incidence, size - incidence) ~ period + (1 | herd)", "cbpp", "binomial"),
        ("TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)", "grouseticks", "poisson"),
    ],
)
@pytest.mark.parametrize("offset", [None, 0.3])
def test_start_solves_the_score_equations(formula, data, family, offset):
    frame = mm.datasets.load(data)
    offset = None if offset is None else offset * np.sin(np.arange(len(frame)))
    model = mm.GeneralizedLinearMixedModel(formula, frame, family, offset=offset)
    eta = model._basis @ model._start.gamma + (0.0 if offset is None else offset)
    score = model.prior_weights * (model.frame.y - model.mean(eta))
    assert_allclose(model.frame.X.T @ score, 0.0, atol=1e-9 * np.abs(score).sum())
