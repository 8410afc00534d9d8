"""Means in panels and series."""

import numpy as np
import pytest
from drawn import offsets
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.report.plots.means_and_bands import Series, means_and_bands


def test_empty_cells_are_left_out():
    rng = np.random.default_rng(0)
    data = {"y": rng.normal(size=48), "a": ["p", "q"] * 24, "g": np.arange(48) % 8}
    data["b"] = ["u" if a == "q" else "uv"[k % 4 // 2] for k, a in enumerate(data["a"])]
    model = mm.lmm("y ~ a * b + (1 | g)", data, sigma=1.0)
    means = model.emmeans("a * b", ddf="wald")
    assert means.frame["mean"].isna().sum() == 1
    [ax] = means.plot()
    assert sum(len(offsets(ax, k)) for k in range(2)) == 3


def series(y, half=1.0, name="s"):
    """A curve from 0 to 1 with a band of a half-width, and observations."""
    x = np.linspace(0, 1, 9)
    points = None if y is None else (np.linspace(0, 1, len(y)), np.asarray(y, dtype=float))
    return Series(name, x, x, x - half, x + half, points)


def triangles(ax):
    """Points that are drawn at the edge."""
    return np.concatenate([offsets(ax, k) for k in range(1, len(ax.collections) - 1)])


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_points_far_off_do_not_squeeze_the_band(scale):
    y = scale * np.append(np.linspace(-2, 2, 60), [900.0, -300.0, 400.0])
    one = series(y, 1.0)
    one = Series(
        one.name, one.x, *(scale * v for v in (one.mean, one.lower, one.upper)), one.points
    )
    [ax] = means_and_bands({"": [one]}, xlabel="x", ylabel="y")
    low, high = ax.get_ylim()
    assert_allclose([low, high], scale * np.array([-2.2, 2.2]), rtol=0.01)
    assert_allclose(offsets(ax)[:, 1], y[:60])
    at = triangles(ax)
    assert_allclose(at[:, 0], np.linspace(0, 1, 63)[[60, 62, 61]])
    assert_allclose(at[:, 1], scale * np.array([2.0, 2.0, -2.0]))


def test_all_panels_have_the_limits_of_all():
    far, near = series([*np.linspace(-1, 3, 50), 500.0]), series(np.linspace(-1, 7, 50))
    axes = means_and_bands({"a": [far], "b": [near]}, xlabel="x", ylabel="y")
    assert axes[0].get_ylim() == axes[1].get_ylim() and axes[0].get_ylim()[1] < 8
    assert axes[0].figure.get_supxlabel() == "x" and axes[0].figure.get_supylabel() == "y"
    assert not any(ax.get_xlabel() or ax.get_ylabel() for ax in axes)
    _, given = plt.subplots(1, 2)
    again = means_and_bands({"a": [far], "b": [near]}, xlabel="x", ylabel="y", axes=given)
    assert [ax.get_xlabel() for ax in again] == ["x", "x"]
    plt.close("all")


@given(st.lists(st.floats(-50, 50), max_size=30), st.floats(0, 30))
def test_every_point_is_drawn_within_the_axes(y, half):
    [ax] = means_and_bands({"": [series(y, half)]}, xlabel="x", ylabel="y")
    drawn = [c for c in ax.collections if len(c.get_sizes())]
    points = np.concatenate([np.asarray(c.get_offsets()) for c in drawn])
    assert len(points) == len(y)
    low, high = ax.get_ylim()
    assert ((points[:, 1] >= low) & (points[:, 1] <= high)).all()
    plt.close("all")


def test_without_points_or_outliers_the_axis_is_as_matplotlib_has_it():
    for y in (None, np.linspace(-30, 30, 80), [0.5], []):
        [ax] = means_and_bands({"": [series(y)]}, xlabel="x", ylabel="y")
        assert ax.get_autoscaley_on()
    plt.close("all")
