"""From estimates without shrinkage to conditional modes."""

import matplotlib.pyplot as plt
import numpy as np
from drawn import labels, offsets, segments
from numpy.testing import assert_allclose

from numbamm.report.plots.shrinkage_lines import shrinkage_lines

FREE = np.array([[2.0, 1.0], [-1.0, 3.0], [0.5, -2.0]])


def test_a_single_effect_is_sorted_by_its_free_estimates():
    [ax] = shrinkage_lines(["a"], FREE[:, :1], FREE[:, :1] / 2, np.array(list("uvw")), group="g")
    assert labels(ax.yaxis) == ["v", "w", "u"]
    assert_allclose(segments(ax)[:, :, 0], [[-1, -0.5], [0.5, 0.25], [2, 1]])


def test_many_levels_are_counted():
    free = np.arange(50.0)[:, None]
    [ax] = shrinkage_lines(["a"], free, free / 2, np.arange(50), group="g")
    assert labels(ax.yaxis) == [] and ax.get_ylabel() == "g (50 levels)"


def test_on_given_axes_the_legend_is_in_the_first():
    _, ax = plt.subplots()
    shrinkage_lines(["a", "b"], FREE, FREE / 2, np.arange(3), group="g", axes=[ax])
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["without shrinkage", "conditional mode"]
    assert_allclose(offsets(ax, 1), FREE / 2)
