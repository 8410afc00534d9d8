"""Which averages a model has, and over which variables."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.inference.marginal.mean_kinds import concerns_parts, grid_for, types_of


@pytest.mark.filterwarnings("ignore:the columns of zi")  # zeros are no more than those of counts
def test_types_and_variables_follow_the_parts():
    d = mm.datasets.load("grouseticks").assign(z=lambda d: np.arange(len(d)) % 3.0)
    part = mm.glmm("TICKS ~ YEAR + (1 | BROOD)", d, "nbinom2", zi="~ z")
    assert "zprob" in types_of(part) and concerns_parts(part, "response")
    assert not concerns_parts(part, "link")
    assert set(grid_for(part, "zprob").values) == {"YEAR", "z"}
    assert set(grid_for(part, "link").values) == {"YEAR"}
    plain = mm.glmm("TICKS ~ YEAR + (1 | BROOD)", d, "nbinom2")
    assert types_of(plain) == ("response", "link") and not concerns_parts(plain, "response")
