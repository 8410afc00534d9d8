"""Ellipses of a normal distribution."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from numbamm.report.plots.ellipses import ellipse


@given(st.floats(0.05, 0.99), st.floats(-0.9, 0.9), st.floats(0.1, 10.0))
def test_an_ellipse_contains_its_share(share, rho, scale):
    V = np.array([[1.0, rho * scale], [rho * scale, scale**2]])
    x = ellipse(V, share)
    size = np.einsum("in,ij,jn->n", x, np.linalg.inv(V), x)
    assert_allclose(size, -2 * np.log(1 - share), rtol=1e-6)
