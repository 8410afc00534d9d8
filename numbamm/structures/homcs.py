"""`HomCs`: compound symmetry with one standard deviation, ``homcs(0 + f | g)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from numbamm.structures.cs import Cs


@dataclass(frozen=True)
class HomCs(Cs):
    """One correlation, and one standard deviation: (1 | g) + (1 | g:f), where ρ is positive."""

    p: int
    names: ClassVar = ("homcs",)
    includes: ClassVar = frozenset({"homdiag"})
    can_lose: ClassVar = "all"
    heterogeneous: ClassVar = False
