"""`Gau`: Gaussian correlations of points, ``gau(east, north | g)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from numbamm.structures.positions import OverPositions


@dataclass(frozen=True)
class Gau(OverPositions):
    """Correlations exp(-(d / range)²)."""

    names: ClassVar = ("gau",)

    def profile(self, x):
        square = x * x
        f = np.exp(-square)
        return f, -2 * square * f, (4 * square * square - 4 * square) * f
