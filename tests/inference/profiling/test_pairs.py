"""Pairs of parameters along their profiles."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


@pytest.fixture(scope="module")
def profile(sleep):
    return sleep.profile()


def test_pairs_stay_within_their_levels(profile):
    """Contours of a sum of squares: that of two parameters at once is never below one's alone."""
    names = list(profile.curves)
    axes = profile.plot(kind="pairs")
    assert len(axes) == 15
    [ax] = profile.plot(["Intercept", "sd_Days|Subject"], kind="pairs")
    x, y = profile.curves["Intercept"], profile.curves["sd_Days|Subject"]
    for line, share in zip(ax.get_lines()[:3], (0.5, 0.8, 0.95), strict=True):
        level = np.sqrt(-2 * np.log(1 - share))
        zeta = [c.spline(v) for c, v in zip((x, y), line.get_data(), strict=True)]
        for along in zeta:  # it touches the lines at ±level
            assert np.abs(along).max() == pytest.approx(level, rel=0.01)
    assert names[:2] == ["sigma", "sd_Intercept|Subject"]


def test_traces_are_where_the_others_are_optimal(fitted):
    """The deviance at a point of a trace is the profile's, by a dense evaluation."""
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")
    profile, data = model.profile(), mm.datasets.load("Dyestuff")
    y, k = data["Yield"].to_numpy(), data["Batch"].cat.codes.to_numpy()

    def deviance(sigma, sd, mean):
        V = sigma**2 * np.eye(len(y)) + sd**2 * (k[:, None] == k)
        r = y - mean
        return len(y) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r)

    assert profile.names == list(profile.curves)
    for name, curve in profile.curves.items():
        place = profile.names.index(name)
        for value, zeta, others in zip(curve.values, curve.zeta, curve.others, strict=True):
            point = others.copy()
            point[place] = value
            rise = deviance(*point) - model.objective
            assert rise == pytest.approx(zeta**2, abs=1e-4)


def test_traces_of_a_generalized_model(cbpp):
    profile = cbpp.profile(["sd_Intercept|herd", "period[T.3]"])
    for name, curve in profile.curves.items():
        assert_allclose(curve.others[:, profile.names.index(name)], curve.values, rtol=1e-4)
    middle = np.argmin(np.abs(curve.zeta))
    assert_allclose(curve.others[middle, 1:], cbpp.params, rtol=1e-3)
    [ax] = profile.plot(kind="pairs")
    assert np.isfinite(ax.get_lines()[0].get_xdata()).all()


def test_pairs_need_two_parameters_with_profiles(profile, odd_log):
    with pytest.raises(OptionError, match="two parameters or more"):
        profile.plot("sigma", kind="pairs")
    with pytest.raises(OptionError, match="no pairs with theta_"):
        odd_log.profile(["theta", "sigma"]).plot(kind="pairs")
