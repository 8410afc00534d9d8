"""Points or bins about a level, with a trend."""

import numpy as np
from drawn import offsets
from numpy.testing import assert_allclose

from numbamm.report.plots.scatter import Bins, scatter

X, Y = np.array([1.0, 2, 3]), np.array([0.5, -0.5, 1.0])


def test_points_level_and_trend():
    ax = scatter(X, Y, xlabel="x_$", ylabel="y", level=0.2, trend=(X, Y / 2))
    assert_allclose(offsets(ax), np.column_stack([X, Y]))
    level, trend = ax.get_lines()
    assert level.get_ydata()[0] == 0.2
    assert_allclose(trend.get_xydata(), np.column_stack([X, Y / 2]))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x_$", "y")


def test_bins_have_a_band_about_the_level():
    ax = scatter(
        X, Y, xlabel="x", ylabel="y", level=1.0, bins=Bins(X, Y, np.array([0.1, 0.2, 0.3]))
    )
    assert_allclose(offsets(ax), np.column_stack([X, Y]))
    band = ax.collections[0].get_paths()[0].vertices
    assert_allclose([band[:, 1].min(), band[:, 1].max()], [0.7, 1.3])


def test_many_points_are_an_image_in_vector_files():
    few = scatter(X, Y, xlabel="", ylabel="").collections[0]
    many = scatter(np.arange(2001), np.zeros(2001), xlabel="", ylabel="").collections[0]
    assert (few.get_rasterized(), many.get_rasterized()) == (False, True)
    assert many.get_sizes()[0] < few.get_sizes()[0]
