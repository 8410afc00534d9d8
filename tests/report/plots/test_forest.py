"""Estimates with intervals, one below the other."""

import numpy as np
import pytest
from drawn import labels, offsets, segments
from numpy.testing import assert_allclose

from numbamm.report.plots.forest import forest


def test_series_of_a_name_share_its_place():
    one = np.array([[1.0, 2], [0, 1], [2, 3]])
    ax = forest(["a", "b"], {"m": tuple(one), "n": tuple(one + 1)}, xlabel="x")
    assert labels(ax.yaxis) == ["b", "a"]
    y = [offsets(ax, k)[:, 1] for k in (0, 1)]
    assert_allclose((y[0] + y[1]) / 2, [1, 0])
    assert (y[0] > y[1]).all() and np.ptp(y, axis=0).max() < 0.5
    assert_allclose(segments(ax, 1)[:, :, 0], [[1, 3], [2, 4]])


def test_missing_estimates_leave_a_gap():
    numbers = np.array([1.0, np.nan, 3]), np.array([0, np.nan, 2]), np.array([2, np.nan, 4])
    ax = forest(["a", "b", "c"], {"": numbers}, xlabel="x")
    assert_allclose(offsets(ax), [[1, 2], [3, 0]])
    assert labels(ax.yaxis) == ["c", "b", "a"]


@pytest.mark.parametrize("low, high", [(0.9, 1.2), (0.2, 4.0), (1e-3, 1e4)])
def test_logarithmic_axes_have_plain_numbers(low, high):
    middle = np.sqrt(low * high)
    numbers = tuple(np.array([v]) for v in (middle, low, high))
    ax = forest(["a"], {"": numbers}, xlabel="Odds ratio", reference=1.0, log=True)
    ax.figure.canvas.draw()
    left, right = ax.get_xlim()
    shown = [t.get_text() for t in ax.get_xticklabels() if left <= t.get_position()[0] <= right]
    assert 2 <= len(shown) <= 8 and all(float(text) > 0 for text in shown)
