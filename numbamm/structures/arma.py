"""`Arma`: first-order autoregression and moving average, ``arma(0 + visit | subject)``."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from numbamm.structures.ar2 import Ar2
from numbamm.structures.structure import Shape
from numbamm.structures.toep import Jet


class Arma(Ar2):
    """e_t = φ e_t-1 + a_t + θ a_t-1, and one standard deviation.

    ρ_1 = (1 + φθ)(φ + θ) / (1 + 2φθ + θ²) and ρ_k = φ ρ_k-1; φ and θ are sines.
    """

    names: ClassVar = ("arma",)
    includes: ClassVar = frozenset({"homdiag", "ar1"})

    def _jets(self, phi) -> list[Jet]:
        one, zero = (Jet.constant(value, len(phi)) for value in (1.0, 0.0))
        ar, ma = [*Jet.sines(phi), zero, zero][:2]
        both = ar * ma
        r = [one, (one + both) * (ar + ma) * (one + both + both + ma * ma).inverse()]
        while len(r) < self.p:
            r.append(ar * r[-1])
        return r[: self.p]

    @property
    def start_shape(self) -> np.ndarray:
        """An autoregression: where φ = -θ nothing depends on either."""
        return np.arcsin([0.5, 0.0])[: self.nshape]

    def shape_of(self, C) -> np.ndarray:
        r = np.sin(super().shape_of(C))
        if len(r) < 2:
            return np.arcsin(r)
        first, second = r[0], r[1] * (1 - r[0] ** 2) + r[0] ** 2  # ρ_1 and ρ_2
        if abs(first) < 1e-12:
            return self.start_shape
        ar = np.clip(second / first, -1.0, 1.0)
        # ρ_1 (1 + 2φθ + θ²) = (1 + φθ)(φ + θ), the root within (-1, 1)
        a, b = first - ar, 2 * ar * first - 1 - ar**2
        root = np.sqrt(max(b * b - 4 * a * a, 0.0))
        ma = -2 * a / (b - root) if b < 0 else -2 * a / (b + root)
        return np.arcsin(np.clip([ar, ma], -1.0, 1.0))

    @property
    def shapes(self) -> list[Shape]:
        return [Shape("phi", -1.0, 1.0), Shape("theta", -1.0, 1.0)][: self.nshape]

    @property
    def angle_names(self) -> list[str]:
        return [f"{name}_angle" for name in ("phi", "theta")][: self.nshape]

    def shape_values(self, theta) -> np.ndarray:
        return np.sin(np.asarray(theta)[..., self.nscale :])
