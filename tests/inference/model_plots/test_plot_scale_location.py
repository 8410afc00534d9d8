"""`model.plot.scale_location` against the sizes of residuals."""

import numpy as np
from drawn import offsets
from numpy.testing import assert_allclose


def test_scale_location(sleep, cbpp):
    size = np.sqrt(sleep.influence()["studentized"].abs())
    expected = np.column_stack([sleep.fittedvalues, size])
    assert_allclose(offsets(sleep.plot.scale_location()), expected)
    assert cbpp.plot.scale_location().get_ylabel() == "√|randomized quantile residual|"
