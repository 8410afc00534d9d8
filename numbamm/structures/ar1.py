"""`Ar1`: first-order autoregression, ``ar1(0 + visit | subject)``."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np

from numbamm.structures.patterned import Patterned
from numbamm.structures.structure import Shape


class Ar1(Patterned):
    """Correlations ρ^|i-j| of effects i and j in the order of the columns, ρ = sin φ."""

    names: ClassVar = ("ar1",)
    reading: ClassVar = "lags"
    is_chain: ClassVar = True
    counts_columns: ClassVar = True
    includes: ClassVar = frozenset({"homdiag"})

    @property
    def nshape(self) -> int:
        return int(self.p > 1)

    @cached_property
    def _lags(self) -> np.ndarray:
        return np.abs(np.subtract.outer(np.arange(self.p), np.arange(self.p)))

    def _powers(self, phi) -> np.ndarray:
        """ρ to the powers 0 ... p - 1, and their first and second derivatives by φ."""
        rho, slope, k = np.sin(phi[0]), np.cos(phi[0]), np.arange(self.p)
        first = k * rho ** np.maximum(k - 1, 0)
        second = k * (k - 1) * rho ** np.maximum(k - 2, 0)
        return np.array([rho**k, slope * first, slope**2 * second - rho * first])

    def _matrices(self, phi, order: int) -> np.ndarray:
        return self._powers(phi)[order][self._lags]

    def autocorrelations(self, phi) -> np.ndarray:
        """Correlations at lags 0 ... p - 1."""
        return self._powers(phi)[0]

    def autocorrelation_slopes(self, phi) -> np.ndarray:
        """Their derivatives by φ, shape (nshape, p)."""
        return self._powers(phi)[1][None]

    def correlation(self, phi) -> np.ndarray:
        return self._matrices(phi, 0) if self.nshape else np.eye(1)

    def correlation_slopes(self, phi) -> np.ndarray:
        return self._matrices(phi, 1)[None] if self.nshape else np.zeros((0, 1, 1))

    def correlation_bend(self, phi, N) -> np.ndarray:
        if not self.nshape:
            return np.zeros((0, 0))
        return np.array([[(N * self._matrices(phi, 2)).sum()]])

    def shape_of(self, C) -> np.ndarray:
        if not self.nshape:
            return np.zeros(0)
        beside = np.diag(C, 1)
        beside = beside[np.isfinite(beside)]
        rho = beside.mean() if len(beside) else 0.0
        return np.arcsin(np.clip([rho], -1.0, 1.0))

    @property
    def shapes(self) -> list[Shape]:
        return super().shapes * self.nshape
