"""`Exp`: correlations that decay exponentially with the distance, ``exp(east, north | g)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from numbamm.structures.positions import OverPositions


@dataclass(frozen=True)
class Exp(OverPositions):
    """Correlations exp(-d / range)."""

    names: ClassVar = ("exp",)

    def has_case(self, other) -> bool:
        return isinstance(other, Exp) and self.points == other.points  # `Ou` is one, too

    def profile(self, x):
        f = np.exp(-x)
        return f, -x * f, (x * x - x) * f
