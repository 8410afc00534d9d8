"""`Cs`: compound symmetry, ``cs(0 + f | g)``: one correlation for all pairs of effects."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from numbamm.structures.patterned import Patterned
from numbamm.structures.structure import Shape


class Cs(Patterned):
    """Correlations ρ between -1/(p - 1) and 1, and a standard deviation for each effect.

    ρ is the middle of its range plus half of its width times sin φ.
    """

    names: ClassVar = ("cs",)
    reading: ClassVar = "visits"
    includes: ClassVar = frozenset({"homdiag", "diag", "homcs"})
    can_lose: ClassVar = "marginal"
    heterogeneous: ClassVar = True

    @property
    def nshape(self) -> int:
        return int(self.p > 1)

    @property
    def _half(self) -> float:
        """Half of the width of ρ's range."""
        return 0.5 * (1 + 1 / max(self.p - 1, 1))

    def _rho(self, phi) -> np.ndarray:
        return 1 - self._half * (1 - np.sin(phi))

    @property
    def _others(self) -> np.ndarray:
        return 1 - np.eye(self.p)

    def correlation(self, phi) -> np.ndarray:
        return np.eye(self.p) + self._rho(phi).sum() * self._others

    def correlation_slopes(self, phi) -> np.ndarray:
        return (self._half * np.cos(phi))[:, None, None] * self._others

    def correlation_bend(self, phi, N) -> np.ndarray:
        return np.diag(-self._half * np.sin(phi) * (N * self._others).sum())

    def shape_of(self, C) -> np.ndarray:
        if not self.nshape:
            return np.zeros(0)
        pairs = C[np.tril_indices(self.p, -1)]
        pairs = pairs[np.isfinite(pairs)]
        rho = pairs.mean() if len(pairs) else 0.0
        return np.arcsin(np.clip([1 - (1 - rho) / self._half], -1.0, 1.0))

    @property
    def shapes(self) -> list[Shape]:
        return [Shape("rho", 1 - 2 * self._half, 1.0)] * self.nshape

    def shape_values(self, theta) -> np.ndarray:
        return self._rho(np.asarray(theta)[..., self.nscale :])
