"""The inverse square: μ = 1/√η."""

from __future__ import annotations

import math

from numbamm.blocks.jit import jit
from numbamm.glm.link import Link


@jit
def _inverse_root(eta):
    mu = 1.0 / math.sqrt(eta)
    d3 = -1.875 / (eta**3 * math.sqrt(eta))
    return mu, -0.5 * mu / eta, 0.75 * mu / (eta * eta), d3


LINK = Link(
    "inverse-squared",
    forward=lambda mu: 1 / mu**2,
    derivatives=_inverse_root,
    positive=True,
    turns=True,
)
