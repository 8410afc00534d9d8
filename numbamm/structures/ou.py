"""`Ou`: Ornstein–Uhlenbeck, ``ou(time | g)``: autoregression in continuous time."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from numbamm.structures.exp import Exp
from numbamm.structures.structure import Shape


class Ou(Exp):
    """Correlations exp(-rate |t - t'|): those of `Exp` with rate = 1 / range."""

    names: ClassVar = ("ou",)
    is_chain: ClassVar = True

    @property
    def shapes(self) -> list[Shape]:
        return [Shape("rate", 0.0, np.inf)]

    def shape_values(self, theta) -> np.ndarray:
        return 1 / super().shape_values(theta)
