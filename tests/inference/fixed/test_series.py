"""Marginal means arranged for plots, with observations and partial residuals."""

import numpy as np
from drawn import offsets
from numpy.testing import assert_allclose

import numbamm as mm


def test_partial_residuals(sleep):
    [ax] = sleep.plot.effects("Days", points="partial")
    assert_allclose(offsets(ax)[:, 1], sleep.predict(random=False) + sleep.resid)


def test_events_are_averaged_beside_effects(verbagg):
    [ax] = verbagg.plot.effects("btype")
    data = mm.datasets.load("VerbAgg")[::3]
    shares = (data["r2"] == "Y").groupby(data["btype"], observed=True).mean()
    assert_allclose(offsets(ax)[:, 1], shares)


def test_many_points_are_a_sample():
    rng = np.random.default_rng(0)
    data = {"y": rng.normal(size=6000), "x": rng.normal(size=6000), "g": np.arange(6000) % 30}
    [ax] = mm.lmm("y ~ x + (1 | g)", data, sigma=1.0).plot.effects("x", ddf="wald")
    drawn = offsets(ax)
    assert len(drawn) == 2000
    assert set(map(tuple, drawn)) <= set(zip(data["x"], data["y"], strict=True))
