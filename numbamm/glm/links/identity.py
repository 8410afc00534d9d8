"""The identity: μ = η."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.link import Link


@jit
def _identity(eta):
    return eta, 1.0, 0.0, 0.0


LINK = Link("identity", forward=np.asarray, derivatives=_identity, linear=True)
