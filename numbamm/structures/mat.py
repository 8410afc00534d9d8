"""`Mat`: Matérn correlations of points, ``mat(east, north | g)``."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from numbamm.structures.positions import OverPositions, in_ranges
from numbamm.structures.structure import Shape

#: Half-width of differences in log κ, in which Bessel functions have no simple derivatives.
STEP = 4e-3
#: Range of log κ: beyond, the correlations are those of limits.
LOG_KAPPA = -3.0, 3.0


class Mat(OverPositions):
    """Correlations 2^(1-κ)/Γ(κ) x^κ K_κ(x) with x = d / range, κ the smoothness.

    φ are log(range / unit) and log κ; κ = ½ is `Exp`. Derivatives by κ are differences of order
    four, whose error is some 1e-11.
    """

    names: ClassVar = ("mat",)
    includes: ClassVar = frozenset({"exp", "ou"})

    @property
    def nshape(self) -> int:
        return 2

    def has_case(self, other) -> bool:
        return super().has_case(other) and self.points == getattr(other, "points", self.points)

    def profile(self, x):
        raise NotImplementedError  # it takes κ: see `values_at`

    def values_at(self, d, phi) -> np.ndarray:
        return _profile(d, phi)[0]

    def slopes_at(self, d, phi) -> np.ndarray:
        return np.array([-_profile(d, phi)[1], _in_kappa(d, phi, 0)])

    def correlation_bend(self, phi, N) -> np.ndarray:
        d, out = self._in_units, np.empty((2, 2))
        out[0, 0] = (N * _profile(d, phi)[2]).sum()
        out[0, 1] = out[1, 0] = -(N * _in_kappa(d, phi, 1)).sum()
        values = [_shifted(d, phi, k)[0] for k in (-2, -1, 0, 1, 2)]
        second = np.tensordot([-1, 16, -30, 16, -1], values, 1) / (12 * STEP**2)
        out[1, 1] = (N * second).sum()
        return out

    @property
    def start_shape(self) -> np.ndarray:
        return np.log([self.START, 0.5])

    def shape_of(self, C) -> np.ndarray:
        from scipy.optimize import least_squares

        low = np.tril_indices(self.p, -1)
        target = C[low]
        known = np.isfinite(target)
        if not known.any():
            return self.start_shape

        def miss(phi):
            return (self.correlation(phi)[low] - target)[known]

        def slopes(phi):
            return self.correlation_slopes(phi)[(slice(None), *low)][:, known].T

        ends = [-8.0, LOG_KAPPA[0]], [8.0, LOG_KAPPA[1]]
        found = least_squares(
            miss, self.start_shape, slopes, bounds=ends, xtol=1e-15, ftol=1e-15, gtol=1e-15
        )
        return found.x

    @property
    def shapes(self) -> list[Shape]:
        return [*super().shapes, Shape("smoothness", 0.0, np.inf)]

    @property
    def angle_names(self) -> list[str]:
        return ["log_range", "log_smoothness"]

    def shape_values(self, theta) -> np.ndarray:
        theta = np.asarray(theta)
        kappa = np.exp(np.clip(theta[..., 2:], *LOG_KAPPA))
        return np.concatenate([self.unit * np.exp(theta[..., 1:2]), kappa], axis=-1)


def _profile(d, phi) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return _matern(in_ranges(d, phi), np.exp(np.clip(phi[1], *LOG_KAPPA)))


def _shifted(d, phi, k: int):
    return _profile(d, np.array([phi[0], phi[1] + k * STEP]))


def _in_kappa(d, phi, order: int) -> np.ndarray:
    """The derivative of the profile's function of this order by log κ."""
    values = [_shifted(d, phi, k)[order] for k in (-2, -1, 1, 2)]
    return np.tensordot([1, -8, 8, -1], values, 1) / (12 * STEP)


def _matern(x, kappa: float):
    """f, x f' and x (x f')'; f' = -c x^κ K_{κ-1}."""
    from scipy.special import gamma, kv

    c, safe = 2 ** (1 - kappa) / gamma(kappa), np.where(x > 0, x, 1.0)
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        f = c * safe**kappa * kv(kappa, safe)
        first = -c * safe ** (kappa + 1) * kv(kappa - 1, safe)
        # (x^{κ+1} K_{κ-1})' = (x² x^{κ-1} K_{κ-1})' = 2 x x^{κ-1} K_{κ-1} - x² x^{κ-1} K_{κ-2}
        second = 2 * first + c * safe ** (kappa + 2) * kv(kappa - 2, safe)
    f = np.where(x > 0, np.minimum(np.where(np.isfinite(f), f, 1.0), 1.0), 1.0)
    zero = (x <= 0) | ~np.isfinite(first) | ~np.isfinite(second)
    return f, np.where(zero, 0.0, first), np.where(zero, 0.0, second)
