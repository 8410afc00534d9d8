"""Regions of pairs of parameters."""

from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from numbamm.report.plots.contours import contour


@given(st.floats(0.3, 3.0), st.floats(-0.95, 0.95))
def test_contours_of_straight_traces_are_ellipses(level, rho):
    x, y = contour(lambda z: rho * z, lambda z: rho * z, level)
    assert_allclose((x**2 - 2 * rho * x * y + y**2) / (1 - rho**2), level**2, rtol=0.02)
