"""`HetAr1`: autoregression with a standard deviation for each effect, ``hetar1(0 + f | g)``."""

from __future__ import annotations

from typing import ClassVar

from numbamm.structures.ar1 import Ar1


class HetAr1(Ar1):
    """Correlations ρ^|i-j|, and a standard deviation for each effect."""

    names: ClassVar = ("hetar1",)
    reading: ClassVar = "visits"
    includes: ClassVar = frozenset({"homdiag", "diag", "ar1"})
    heterogeneous: ClassVar = True
