"""Profiles as curves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import trapezoid
from scipy.special import ndtri

from numbamm.errors import OptionError


@pytest.fixture(scope="module")
def profile(sleep):
    return sleep.profile()


def test_zeta(profile):
    axes = profile.plot()
    assert [ax.get_xlabel() for ax in axes] == list(profile.curves)
    for ax, curve in zip(axes, profile.curves.values(), strict=True):
        x, y = ax.get_lines()[0].get_data()
        assert_allclose(y, curve.spline(x))
        assert (x[0], x[-1]) == (curve.values[0], curve.values[-1])
        ends = {tuple(line[1]) for lines in map(np.array, _segments(ax)) for line in lines}
        for coverage in (0.5, 0.95, 0.99):
            for end in curve.limits(ndtri((1 + coverage) / 2)):
                assert min(abs(x - end) for x, _ in ends) < 1e-9


def _segments(ax):
    return [c.get_segments() for c in ax.collections]


def test_size_of_zeta_and_density(profile):
    [ax] = profile.plot("sigma", kind="abs")
    x, y = ax.get_lines()[0].get_data()
    assert_allclose(y, np.abs(profile.curves["sigma"].spline(x)))
    [ax] = profile.plot("sigma", kind="density")
    x, y = ax.get_lines()[0].get_data()
    assert trapezoid(y, x) == pytest.approx(0.99, abs=0.01)
    with pytest.raises(OptionError, match="kind must be one of zeta, abs, density, pairs"):
        profile.plot(kind="zetas")
    with pytest.raises(OptionError, match="unknown parameter 'sigm'; did you mean 'sigma'"):
        profile.plot("sigm")
