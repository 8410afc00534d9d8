"""The inverse: μ = 1/η."""

from __future__ import annotations

from numbamm.blocks.jit import jit
from numbamm.glm.link import Link


@jit
def _inverse(eta):
    return 1.0 / eta, -1.0 / (eta * eta), 2.0 / (eta * eta * eta), -6.0 / eta**4


LINK = Link(
    "inverse",
    forward=lambda mu: 1 / mu,
    derivatives=_inverse,
    aliases=("inverse_power", "reciprocal"),
    turns=True,
    beyond_infinity=True,
    marginaleffects="gamma",
)
