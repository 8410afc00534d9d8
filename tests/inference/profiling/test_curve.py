"""`Curve` and `walk`: profiles of functions that are known."""

import numpy as np
from numpy.testing import assert_allclose

from numbamm.inference.profiling.curve import Curve, walk


def test_a_step_that_goes_too_far_is_taken_again():
    """ζ = v³ from a first step of 3: no two values are far apart in ζ."""
    curve = walk(lambda v, x: (v**6, x), np.zeros(1), 0.0, 3.0, (-np.inf, np.inf), 2.7)
    assert np.diff(curve.zeta).max() < 4 * 2.7 / 8
    assert_allclose(curve.limits(2.0), [-(2.0 ** (1 / 3)), 2.0 ** (1 / 3)], rtol=1e-2)


def test_an_end_is_a_limit_only_where_the_profile_comes_to_it():
    flat = walk(lambda v, x: (0.1 * abs(v), x), np.zeros(1), 0.5, 0.1, (0.0, 1.0), 2.7)
    assert flat.limits(1.96) == (0.0, 1.0)
    lost = walk(lambda v, x: (np.nan, x), np.zeros(1), 0.5, 0.1, (0.0, 1.0), 2.7)
    assert np.isnan(lost.limits(1.96)).all()


def test_a_profile_that_is_not_monotone():
    """The first crossing on either side counts."""
    values = np.linspace(-4, 4, 33)
    zeta = values + 1.5 * np.sin(values * 2)
    curve = Curve(0.0, values, zeta, np.nan, np.nan)
    low, high = curve.limits(1.96)
    assert_allclose([low, high], [-high, high], atol=1e-9)
    assert high < 1.1
    assert np.isnan(curve.limits(9.0)).all()
    assert Curve(0.0, values, zeta, -4.0, 4.0).limits(9.0) == (-4.0, 4.0)
