"""The gradient of the Laplace objective against differences, for every kind of block."""

import numpy as np
import pytest
from glm.small import KINDS, SHAPE, STRUCTURES, Small


def value(it, x, vary):
    """The objective at (γ, log shape, θ); the modes are sought from 0."""
    gamma, shape, theta = x[:2].copy(), np.exp(x[2]), x[3:]
    modes = it.modes.replaced()
    return it.likelihood.laplace(modes(theta, gamma, vary=vary, shape=shape), shape)


def check(it, vary):
    gamma = it.gamma.copy()
    mode = it.modes(it.theta, gamma, vary=vary, shape=SHAPE)
    phi = it.likelihood.dispersion(mode)
    found = it.modes.gradient(it.theta, gamma, vary=vary, shape=SHAPE, phi=phi)
    if it.family.has_shape:
        found[2] += it.likelihood.log_slope(mode, SHAPE, phi)
    x = np.concatenate([it.gamma, [np.log(SHAPE)], it.theta])
    for j in range(len(x)):
        if j < 2 and vary:
            assert found[j] == 0.0
            continue
        h = np.zeros(len(x))
        h[j] = 1e-5
        slope = (value(it, x + h, vary) - value(it, x - h, vary)) / 2e-5
        assert found[j] == pytest.approx(slope, rel=2e-5, abs=2e-4), j


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vary", [False, True])
def test_every_kind_of_family(kind, vary):
    check(Small(kind, "crossed densely, vectors"), vary)


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_kind_of_block(name):
    check(Small("cloglog, observed", name), False)
