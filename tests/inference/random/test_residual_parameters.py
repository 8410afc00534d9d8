"""Values, bounds and unbounded scales of residual parameters."""

import numpy as np
import pytest
from models.residual_side.residual_oracles import MODELS, fitted
from numpy.testing import assert_allclose

from numbamm.inference.random.residual_parameters import ResidualParameters


@pytest.mark.parametrize("name", MODELS)
def test_scales_without_bounds_and_back(name):
    side = fitted(name).residual_side
    own = ResidualParameters(side)
    values = own.values(side.phi, 1.3)
    assert len(values) == len(own.names) == len(own.bounds)
    assert (own.bounds[:, 0] < values).all() and (values < own.bounds[:, 1]).all()
    assert_allclose(own.bounded(own.unbounded(values)), values, rtol=1e-9)
    assert np.isfinite(own.unbounded(values)).all()
    sds = [n.startswith("sd_") for n in own.names]
    assert own.has_sds == any(sds)


def test_without_a_structure():
    assert ResidualParameters(None).names == []
    assert len(ResidualParameters(None).values(np.zeros(0), 1.0)) == 0
