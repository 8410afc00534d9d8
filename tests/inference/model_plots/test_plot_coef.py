"""The plot of coefficients by level against what predictions say of them."""

import numpy as np
import pytest
from drawn import labels, offsets, segments
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


def test_coefficients_and_their_order(sleep):
    axes = sleep.plot.coef()
    values = sleep.coef()["Subject"].sort_values("Intercept")
    assert labels(axes[0].yaxis) == list(values.index)
    for ax, name in zip(axes, ["Intercept", "Days"], strict=True):
        assert_allclose(offsets(ax)[:, 0], values[name])
        [line] = ax.get_lines()
        assert_allclose(line.get_xdata(), sleep.params[name])
        assert ax.get_xlabel() == "Coefficient"


def test_intervals_are_those_of_predictions(sleep):
    """At Days = 0 the mean of a subject is its intercept, and slopes are differences of means."""
    at = {"Days": np.zeros(18), "Subject": sleep.reterms[0].levels}
    found = sleep.predict(at, interval="confidence", alpha=0.1)
    ax, _ = sleep.plot.coef(sort=False, alpha=0.1)
    ends = np.array([[line[:, 0].min(), line[:, 0].max()] for line in segments(ax)])
    assert_allclose(ends[::-1], found[["lower", "upper"]].to_numpy(), rtol=1e-8)


def test_effects_of_several_terms_and_without_a_fixed_effect():
    rng = np.random.default_rng(5)
    g, h = rng.integers(0, 7, 150), rng.integers(0, 4, 150)
    rows = {"x": rng.normal(size=150), "z": rng.normal(size=150), "g": g, "h": h}
    rows["y"] = rows["x"] * rng.normal(size=7)[g] + rng.normal(size=4)[h] + rng.normal(size=150)
    model = mm.lmm("y ~ x + (1 | g) + (0 + z | g) + (1 | h)", rows)
    axes = model.plot.coef()
    assert [ax.get_title() for ax in axes] == ["(Intercept)", "z", "(Intercept)"]
    assert_allclose(axes[1].get_lines()[0].get_xdata(), 0)  # z has no fixed effect
    assert_allclose(np.sort(offsets(axes[1])[:, 0]), np.sort(model.coef()["g"]["z"]))
    [ax] = model.plot.coef("h")
    # What is not known of the intercept makes the interval wider than that of the effect alone.
    wide, narrow = (
        np.mean([np.ptp(line[:, 0]) for line in segments(one)])
        for one in (ax, model.plot.ranef("h")[0])
    )
    assert wide > narrow
    with pytest.raises(OptionError, match="'k' is no grouping factor"):
        model.plot.coef("k")
