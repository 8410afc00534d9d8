"""Residuals against leverage: names that do not cover one another, and contours."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from numbamm.report.plots.leverage import leverage


@given(st.integers(0, 10**6), st.integers(6, 60))
def test_names_of_rows_overlap_only_where_the_rows_nearly_do(seed, n):
    rng = np.random.default_rng(seed)
    h, r = rng.uniform(0.05, 0.5, n), 2 * rng.normal(size=n)
    ax = leverage(h, r, r**2 * h, [f"row {k}" for k in range(n)], rank=2)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 5
    frame = ax.get_window_extent()
    assert all(box.x0 > frame.x0 - 20 and box.x1 < frame.x1 + 20 for box in boxes)
    points = [ax.transData.transform(text.xy) for text in ax.texts]
    for i, j in combinations(range(5), 2):
        near = np.abs(points[i] - points[j]).max() < 40  # pixels, the width of a name
        assert near or not boxes[i].overlaps(boxes[j])
    plt.close("all")


def test_rows_of_leverage_one_are_left_out():
    h, r = np.array([0.1, 1.0, 0.2, 0.3]), np.array([1.0, np.nan, -1.0, 0.5])
    ax = leverage(h, r, r**2, list("abcd"), rank=1)
    assert_allclose(ax.collections[0].get_offsets(), [[0.1, 1], [0.2, -1], [0.3, 0.5]])
    assert sorted(text.get_text() for text in ax.texts) == ["a", "c", "d"]


def test_no_contours_where_no_row_has_influence():
    ax = leverage(np.full(3, 0.1), np.zeros(3), np.zeros(3), list("abc"), rank=1)
    assert ax.get_legend() is None
