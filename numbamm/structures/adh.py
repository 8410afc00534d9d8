"""`Adh`: first-order ante-dependence, ``adh(0 + visit | subject)``."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from numbamm.structures.patterned import Patterned
from numbamm.structures.structure import Shape


class Adh(Patterned):
    """Correlations ρ_i ρ_i+1 ... ρ_j-1, ρ_i = sin φ_i, and a standard deviation for each effect.

    Source: Gabriel, 1962, Ann. Math. Stat. 33, 201.
    """

    names: ClassVar = ("adh",)
    reading: ClassVar = "visits"
    is_chain: ClassVar = True
    heterogeneous: ClassVar = True
    is_ordered: ClassVar = True
    includes: ClassVar = frozenset({"homdiag", "diag", "ar1", "hetar1"})

    @property
    def nshape(self) -> int:
        return self.p - 1

    def _products(self, steps, among=()) -> np.ndarray:
        """Products of the steps between each two effects; 0 for pairs without all of `among`."""
        C = np.eye(self.p) if not among else np.zeros((self.p, self.p))
        for i in range(self.p):
            ends = np.arange(i + 1, self.p)
            values = np.cumprod(steps[i:])
            for k in among:
                values = np.where((i <= k) & (k < ends), values, 0.0)
            C[i, i + 1 :] = C[i + 1 :, i] = values
        return C

    def _moved(self, phi, *which) -> np.ndarray:
        """The derivative of C by some different φ."""
        steps = np.sin(phi)
        steps[list(which)] = np.cos(phi[list(which)])
        return self._products(steps, which)

    def correlation(self, phi) -> np.ndarray:
        return self._products(np.sin(phi))

    def correlation_slopes(self, phi) -> np.ndarray:
        phi = np.asarray(phi)
        moves = [self._moved(phi, k) for k in range(self.nshape)]
        return np.reshape(moves, (self.nshape, self.p, self.p))

    def correlation_bend(self, phi, N) -> np.ndarray:
        phi, out = np.asarray(phi), np.empty((self.nshape, self.nshape))
        for k in range(self.nshape):
            out[k, k] = -(N * self._products(np.sin(phi), (k,))).sum()
            for j in range(k):
                out[k, j] = out[j, k] = (N * self._moved(phi, k, j)).sum()
        return out

    def shape_of(self, C) -> np.ndarray:
        beside = np.diag(C, 1)
        return np.arcsin(np.clip(np.where(np.isfinite(beside), beside, 0.0), -1.0, 1.0))

    @property
    def shapes(self) -> list[Shape]:
        return [Shape(f"rho{k}.{k + 1}", -1.0, 1.0) for k in range(1, self.p)]
