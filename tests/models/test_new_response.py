"""?"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm


def test_refit_with_a_new_response(fitted_glmm):
    data = mm.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, data, "binomial")
    before = str(model)
    rng = np.random.default_rng(4)
    counts = rng.binomial(data["size"], model.fittedvalues)
    other = mm.glmm(formula, data.assign(incidence=counts), "binomial")
    model.refit(counts / data["size"])
    assert model.objective == pytest.approx(other.objective, abs=1e-7)
    assert_allclose(model.params, other.params, atol=1e-5)
    with pytest.raises(mm.DataError, match="values from 0 to 1"):
        model.refit(counts * 1.0 + 1)
    assert model.objective == pytest.approx(other.objective, abs=1e-7)
    model.refit(data["incidence"] / data["size"])
    assert str(model) == before
