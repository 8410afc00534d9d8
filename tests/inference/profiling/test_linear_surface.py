"""`LinearSurface`: its gradient, with σ estimated or given."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from numbamm.inference.profiling.linear_surface import LinearSurface

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def test_the_gradient_with_log_sigma(fitted):
    surface = LinearSurface.of(fitted(SLEEP, "sleepstudy"))
    x = surface.best + 0.1
    _, gradient = surface.deviance(x)
    for k, slope in enumerate(gradient):
        h = np.zeros(len(x))
        h[k] = 1e-5
        difference = surface.deviance(x + h)[0] - surface.deviance(x - h)[0]
        assert_allclose(slope, difference / 2e-5, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("formula", "data"), [(SLEEP, "sleepstudy"), ("strength ~ 1 + (1 | batch/cask)", "Pastes")]
)
def test_parameters_elsewhere_leave_the_surface_at_its_minimum(fitted, formula, data):
    """Surfaces of other columns begin at the model's θ."""
    surface = LinearSurface.of(fitted(formula, data))
    before, theta = surface.parameters([surface.best]), surface.model.theta
    assert np.abs(surface.parameters([surface.best + 0.3]) - before).max() > 0.01
    assert_allclose(surface.model.theta, theta, rtol=0)
    again = LinearSurface(surface.model.in_columns(surface.model.scalings))
    assert_allclose(again.best, surface.best, atol=1e-5)
    assert_allclose(surface.parameters([surface.best]), before, rtol=1e-12)
