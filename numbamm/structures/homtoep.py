"""`HomToep`: a correlation for each distance, one standard deviation, ``homtoep(0 + f | g)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from numbamm.structures.toep import Toep


@dataclass(frozen=True)
class HomToep(Toep):
    """Correlations ρ_|i-j|, and one standard deviation for all effects."""

    p: int
    names: ClassVar = ("homtoep",)
    includes: ClassVar = frozenset({"homdiag", "homcs", "ar1"})
    heterogeneous: ClassVar = False
