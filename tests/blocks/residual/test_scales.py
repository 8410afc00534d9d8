"""log d as a sum of parts."""

import numpy as np
from numpy.testing import assert_allclose

from numbamm.blocks.residual.scales import LogLinear, Scales

W = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]])
PARTS = [LogLinear(W), LogLinear(W[:, :1], np.array([0.1, 0.2, 0.3]))]
PHI = np.array([0.5, -0.25, 2.0])


def test_a_sum_of_parts():
    scales = Scales(PARTS, 3)
    expected = W @ PHI[:2] + W[:, 0] * 2 + [0.1, 0.2, 0.3]
    assert_allclose(scales.values(PHI), expected)
    assert_allclose(scales.slopes(PHI), np.column_stack([W, W[:, :1]]).T)
    rows = np.array([2, 0])
    assert_allclose(scales.take(rows).values(PHI), expected[rows])


def test_no_parts():
    scales = Scales([], 4)
    assert scales.size == 0 and scales.slopes(np.zeros(0)).shape == (0, 4)
    assert (scales.values(np.zeros(0)) == 0).all()
