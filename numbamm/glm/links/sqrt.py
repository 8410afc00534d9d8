"""The square root: μ = η²."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.link import Link


@jit
def _square(eta):
    return eta * eta, 2.0 * eta, 2.0, 0.0


LINK = Link(
    "sqrt",
    forward=np.sqrt,
    derivatives=_square,
    positive=True,
    turns=True,
    mirrored=True,
    marginaleffects="poisson",
)
