"""`Diag`: independent effects, ``diag(1 + x | g)`` or ``zerocorr(1 + x | g)``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from numbamm.structures.structure import Structure


@dataclass(frozen=True)
class Diag(Structure):
    """A variance for each effect and no correlations: θ is the diagonal of λ."""

    p: int
    names: ClassVar = ("diag", "zerocorr")
    includes: ClassVar = frozenset({"homdiag"})
    can_lose: ClassVar = "each"

    @cached_property
    def entries(self) -> np.ndarray:
        return np.arange(self.p) * (self.p + 1)

    def select(self, columns) -> Diag:
        return Diag(len(columns))
