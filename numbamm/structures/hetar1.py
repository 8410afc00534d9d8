"""`HetAr1`: autoregression with a standard deviation for each effect, ``hetar1(0 + f | g)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from numbamm.structures.ar1 import Ar1


@dataclass(frozen=True)
class HetAr1(Ar1):
    """Correlations ρ^|i-j|, and a standard deviation for each effect."""

    p: int
    names: ClassVar = ("hetar1",)
    includes: ClassVar = frozenset({"homdiag", "diag", "ar1"})
    heterogeneous: ClassVar = True
