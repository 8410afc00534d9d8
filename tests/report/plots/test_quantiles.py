"""Places of ordered values, and the line through their quartiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import ndtri

from numbamm.report.plots.quantiles import line_through_quartiles, plotting_positions


@given(st.integers(1, 50))
def test_plotting_positions_are_symmetric(n):
    p = plotting_positions(n)
    assert_allclose(p + p[::-1], 1.0)
    assert line_through_quartiles(ndtri(p) * 2 + 1)[0] == pytest.approx(1.0)
