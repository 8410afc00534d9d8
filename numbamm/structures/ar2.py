"""`Ar2`: second-order autoregression, ``ar2(0 + visit | subject)``."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np

from numbamm.structures.patterned import Patterned
from numbamm.structures.structure import Shape
from numbamm.structures.toep import Jet, partial


class Ar2(Patterned):
    """Stationary autoregression e_t = φ1 e_t-1 + φ2 e_t-2 + a_t, and one standard deviation.

    The two partial autocorrelations are sines: any values between -1 and 1 are stationary.
    """

    names: ClassVar = ("ar2",)
    reading: ClassVar = "lags"
    counts_columns: ClassVar = True
    includes: ClassVar = frozenset({"homdiag", "ar1"})

    @property
    def nshape(self) -> int:
        return min(2, self.p - 1)

    @cached_property
    def _lags(self) -> np.ndarray:
        return np.abs(np.subtract.outer(np.arange(self.p), np.arange(self.p)))

    def _jets(self, phi) -> list[Jet]:
        """Autocorrelations with their derivatives."""
        one, zero = (Jet.constant(value, len(phi)) for value in (1.0, 0.0))
        first, second = [*Jet.sines(phi), zero, zero][:2]
        step = first - first * second
        r = [one, first]
        while len(r) < self.p:
            r.append(step * r[-1] + second * r[-2])
        return r[: self.p]

    def autocorrelations(self, phi) -> np.ndarray:
        """Correlations at lags 0 ... p - 1."""
        return np.array([r.value for r in self._jets(phi)])

    def autocorrelation_slopes(self, phi) -> np.ndarray:
        """Their derivatives by φ, shape (nshape, p)."""
        return np.array([r.slope for r in self._jets(phi)]).reshape(self.p, -1).T

    def correlation(self, phi) -> np.ndarray:
        return self.autocorrelations(phi)[self._lags]

    def correlation_slopes(self, phi) -> np.ndarray:
        return self.autocorrelation_slopes(phi)[:, self._lags]

    def correlation_bend(self, phi, N) -> np.ndarray:
        sums = np.bincount(self._lags.ravel(), N.ravel(), self.p)
        return np.tensordot(sums, np.array([r.bend for r in self._jets(phi)]), 1)

    def shape_of(self, C) -> np.ndarray:
        r = np.zeros(self.p)
        for lag in range(self.p):
            diagonal = np.diag(C, lag)
            known = diagonal[np.isfinite(diagonal)]
            r[lag] = known.mean() if len(known) else 0.0
        return np.arcsin(partial(r)[: self.nshape])

    @property
    def shapes(self) -> list[Shape]:
        return [Shape("phi1", -2.0, 2.0), Shape("phi2", -1.0, 1.0)][: self.nshape]

    @property
    def angle_names(self) -> list[str]:
        return [f"partial{k}_angle" for k in (1, 2)][: self.nshape]

    def shape_values(self, theta) -> np.ndarray:
        kappa = np.sin(np.asarray(theta)[..., self.nscale :])
        if self.nshape < 2:
            return kappa
        first = kappa[..., :1] * (1 - kappa[..., 1:])
        return np.concatenate([first, kappa[..., 1:]], axis=-1)
