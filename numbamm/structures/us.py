"""`Us`: unstructured, ``(1 + x | g)``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from numbamm.structures.structure import Structure


@dataclass(frozen=True)
class Us(Structure):
    """Any covariance matrix: θ is the whole lower triangle of λ."""

    p: int
    names: ClassVar = ("us",)
    reading: ClassVar = "visits"
    heterogeneous: ClassVar = True
    correlations_of: ClassVar = "homus"
    can_lose: ClassVar = "marginal"

    def has_case(self, other) -> bool:
        return True

    @cached_property
    def entries(self) -> np.ndarray:
        column, row = np.triu_indices(self.p)
        return row * self.p + column

    def select(self, columns) -> Us:
        return Us(len(columns))
