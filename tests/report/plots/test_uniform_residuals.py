"""Residuals against uniform quantiles and a predictor."""

import numpy as np
from numpy.testing import assert_allclose

from numbamm.report.plots.uniform_residuals import running_quantiles, uniform_residuals


def test_quartiles_in_windows():
    rng = np.random.default_rng(1)
    x = rng.uniform(size=4000)
    at, lines = running_quantiles(x, rng.uniform(size=4000))
    assert (np.diff(at) > 0).all()
    assert_allclose(lines, np.tile([[0.25], [0.5], [0.75]], len(at)), atol=0.06)
    _, rising = running_quantiles(x, x)
    assert (np.diff(rising, axis=1) > 0).all()


def test_few_points():
    axes = uniform_residuals(np.array([0.2, 0.7]), np.array([0.5, 1.0]), "x", [])
    assert axes[1].get_xlabel() == "x" and len(axes[1].lines) >= 6
