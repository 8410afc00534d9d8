"""Observed and fitted values, a panel for each group."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn import labels

from numbamm.report.plots.small_multiples import Group, small_multiples

X = np.array([0.0, 1, 2])
GROUP = Group("_g$", X, X + 1, (X, X, X / 2))


@pytest.mark.parametrize("n, columns", [(1, 1), (3, 3), (15, 5), (18, 6), (20, 5), (8, 4)])
def test_few_panels_are_left_empty(n, columns):
    axes = small_multiples([GROUP] * n, xlabel="x", ylabel="y", group="g")
    grid = axes[0].get_subplotspec().get_gridspec()
    assert len(axes) == n and grid.ncols == columns
    assert axes[0].figure.get_supxlabel() == "x"
    assert [text.get_text() for text in axes[0].figure.legends[0].get_texts()][1] == "population"


def test_a_factor_has_its_levels_at_the_axis():
    [ax] = small_multiples([GROUP], xlabel="x", ylabel="y", group="g", levels=["$a$", "_b", "c%"])
    assert labels(ax.xaxis) == ["$a$", "_b", "c%"] and ax.get_title() == "_g$"


def test_a_single_position_is_marked():
    one = Group("g", X[:1], X[:1], (X[:1], X[:1], X[:1]))
    [ax] = small_multiples([one], xlabel="x", ylabel="y", group="g")
    assert [line.get_marker() for line in ax.get_lines()] == ["_", "_"]


def test_given_axes_are_labelled_one_by_one():
    _, given = plt.subplots(1, 2)
    small_multiples([GROUP, GROUP], xlabel="x", ylabel="y", group="g", axes=given)
    assert [ax.get_xlabel() for ax in given] == ["x", "x"]
