"""`model.plot.power` against the numbers of `power_curve`."""

import pytest
from drawn import segments
from numpy.testing import assert_allclose

import numbamm as mm


def test_it_is_the_plot_of_the_result(sleep):
    data = mm.datasets.load("sleepstudy")
    options = {"n": 10, "seed": 3, "alpha": 0.1}
    ax = sleep.plot.power(data, "Subject", [4, 6], "Days", target=0.9, **options)
    frame = mm.power_curve(sleep, data, "Subject", [4, 6], "Days", **options).to_frame()
    assert_allclose(ax.get_lines()[1].get_xydata(), frame[["Subject", "power"]])
    assert_allclose(segments(ax)[:, :, 1], frame[["lower", "upper"]])
    assert ax.get_lines()[0].get_ydata()[0] == 0.9


def test_unknown_options_are_named(sleep):
    with pytest.raises(TypeError, match="nsims"):
        sleep.plot.power(mm.datasets.load("sleepstudy"), "Subject", [4], nsims=3)
