"""`HomToep`: a correlation for each distance, one standard deviation, ``homtoep(0 + f | g)``."""

from __future__ import annotations

from typing import ClassVar

from numbamm.structures.toep import Toep


class HomToep(Toep):
    """Correlations ρ_|i-j|, and one standard deviation for all effects."""

    names: ClassVar = ("homtoep",)
    includes: ClassVar = frozenset({"homdiag", "homcs", "ar1"})
    heterogeneous: ClassVar = False
