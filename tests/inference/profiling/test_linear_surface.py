"""`LinearSurface`: its gradient, with σ estimated or given."""

import numpy as np
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
