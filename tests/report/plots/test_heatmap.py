"""Correlation matrices: numbers, and texts that can be read on any colour."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from numbamm.report.plots.heatmap import heatmaps


def square(p, seed=0):
    x = np.random.default_rng(seed).normal(size=(30, p))
    return pd.DataFrame(np.corrcoef(x.T), index=[f"x_{k}$" for k in range(p)])


@pytest.mark.parametrize("p, written", [(2, 4), (12, 144), (13, 0)])
def test_numbers_are_written_while_there_is_room(p, written):
    [ax] = heatmaps({"title": square(p)})
    assert_allclose(ax.images[0].get_array(), square(p))
    assert len(ax.texts) == written and ax.get_title() == "title"


@pytest.mark.parametrize("style", ["default", "dark_background", "ggplot"])
def test_texts_stand_out(style):
    from matplotlib.colors import to_rgb

    light = np.array([0.299, 0.587, 0.114])
    with plt.style.context(style):
        [ax] = heatmaps({"": square(4)})
        image = ax.images[0]
        for text, value in zip(ax.texts, image.get_array().ravel(), strict=True):
            cell = image.cmap(image.norm(value))[:3]
            assert abs(light @ (np.array(to_rgb(text.get_color())) - cell)) > 0.3


def test_wide_matrices_stand_one_below_another():
    names = ["a_long_name_of_a_coefficient"] * 12
    wide = square(12).set_axis(names).set_axis(names, axis=1)
    axes = heatmaps({"one": wide, "other": square(2)})
    assert [ax.get_subplotspec().rowspan.start for ax in axes] == [0, 1]


@pytest.mark.parametrize("sizes", [(2,), (2, 2), (4, 2, 8), (2, 13)])
def test_everything_lies_in_the_figure_and_titles_beside_the_bar(sizes):
    names = [f"(Intercept) {k}" for k in range(13)]
    frames = {
        f"Random effects of {p} levels": square(p).set_axis(names[:p]).set_axis(names[:p], axis=1)
        for p in sizes
    }
    axes = heatmaps(frames)
    figure = axes[0].figure
    figure.draw_without_rendering()
    bar = figure.axes[-1]
    assert bar.get_tightbbox().x1 <= figure.bbox.x1
    if axes[-1].get_subplotspec().rowspan.start:  # one below another
        assert all(ax.title.get_window_extent().x1 < bar.bbox.x0 for ax in axes)
