"""`Toep`: a correlation for each distance of columns, ``toep(0 + visit | subject)``."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from numbamm.structures.patterned import Patterned
from numbamm.structures.structure import Shape


class Toep(Patterned):
    """Correlations ρ_|i-j|, and a standard deviation for each effect.

    The partial autocorrelations are sin φ. Any values between -1 and 1 belong to a positive
    definite matrix, and the Durbin–Levinson recursion turns them into correlations.

    References
    ----------
    Barndorff-Nielsen & Schou, 1973, J. Multivar. Anal. 3, 408.
    """

    names: ClassVar = ("toep",)
    reading: ClassVar = "visits"
    counts_columns: ClassVar = True
    includes: ClassVar = frozenset({"homdiag", "diag", "homcs", "cs", "ar1", "hetar1", "homtoep"})
    heterogeneous: ClassVar = True

    @property
    def nshape(self) -> int:
        return self.p - 1

    @cached_property
    def _lags(self) -> np.ndarray:
        return np.abs(np.subtract.outer(np.arange(self.p), np.arange(self.p)))

    def correlation(self, phi) -> np.ndarray:
        return correlations(np.sin(phi))[self._lags]

    def correlation_slopes(self, phi) -> np.ndarray:
        slopes = np.array([r.slope for r in _taylor(phi)])
        return np.moveaxis(slopes[self._lags], -1, 0)

    def correlation_bend(self, phi, N) -> np.ndarray:
        sums = np.bincount(self._lags.ravel(), N.ravel(), self.p)
        bends = np.array([r.bend for r in _taylor(phi)])
        return np.tensordot(sums, bends, 1)

    def shape_of(self, C) -> np.ndarray:
        r = np.zeros(self.p)
        for lag in range(self.p):
            diagonal = np.diag(C, lag)
            known = diagonal[np.isfinite(diagonal)]
            r[lag] = known.mean() if len(known) else 0.0
        return np.arcsin(partial(r))

    def without_effect(self, theta, size, tol) -> np.ndarray:
        """Those of longer lags, too, where a partial autocorrelation is 1 or -1."""
        at_bound = np.abs(np.cos(theta[self.nscale :])) < tol
        later = np.concatenate([[False], np.logical_or.accumulate(at_bound)[:-1]])
        hidden = super().without_effect(theta, size, tol)
        hidden[self.nscale :] |= later[: self.nshape]
        return hidden

    def bounds_met(self, theta, tol) -> list[str]:
        kappa = np.sin(theta[self.nscale :])
        lags = np.flatnonzero(np.abs(np.cos(theta[self.nscale :])) < tol)[:1]
        return [
            f"the partial autocorrelation of lag {k + 1} of {self.names[0]} is {kappa[k]:.3g}"
            for k in lags
        ]

    @property
    def shapes(self) -> list[Shape]:
        return [Shape(f"rho{k}", -1.0, 1.0) for k in range(1, self.p)]

    @property
    def angle_names(self) -> list[str]:
        return [f"partial{k}_angle" for k in range(1, self.p)]

    def shape_values(self, theta) -> np.ndarray:
        phi = np.asarray(theta)[..., self.nscale :]
        lines = [correlations(np.sin(line))[1:] for line in phi.reshape(-1, self.nshape)]
        return np.reshape(lines, phi.shape)


def correlations(kappa) -> np.ndarray:
    """Autocorrelations of lags 0 ... p - 1, from the partial ones of lags 1 ... p - 1."""
    return np.array(_durbin_levinson(kappa, 1.0), dtype=np.float64)


def partial(r) -> np.ndarray:
    """Partial autocorrelations, of autocorrelations of lags 0 ... p - 1; clipped to ±1."""
    kappa, phi, v = np.zeros(len(r) - 1), np.zeros(0), 1.0
    for k in range(1, len(r)):
        if v > 1e-12:
            kappa[k - 1] = np.clip((r[k] - phi @ r[k - 1 : 0 : -1]) / v, -1.0, 1.0)
        phi = np.append(phi - kappa[k - 1] * phi[::-1], kappa[k - 1])
        v *= 1 - kappa[k - 1] ** 2
    return kappa


def _durbin_levinson(kappa, one) -> list:
    """Autocorrelations by sums and products of partial ones alone."""
    r, phi, v = [one], [], one
    for k, partial_k in enumerate(kappa, start=1):
        value = partial_k * v
        for j, coefficient in enumerate(phi):
            value = value + coefficient * r[k - 1 - j]
        r.append(value)
        phi = [a - partial_k * b for a, b in zip(phi, reversed(phi), strict=True)] + [partial_k]
        v = v - v * (partial_k * partial_k)
    return r


class Jet(NamedTuple):
    """A function of φ to second order."""

    value: float
    slope: np.ndarray
    bend: np.ndarray

    def __add__(self, other):
        return Jet(*(a + b for a, b in zip(self, other, strict=True)))

    def __sub__(self, other):
        return Jet(*(a - b for a, b in zip(self, other, strict=True)))

    def __mul__(self, other):
        cross = np.outer(self.slope, other.slope)
        return Jet(
            self.value * other.value,
            self.value * other.slope + other.value * self.slope,
            self.value * other.bend + other.value * self.bend + cross + cross.T,
        )

    def inverse(self):
        """1 over it."""
        v, outer = self.value, np.outer(self.slope, self.slope)
        return Jet(1 / v, -self.slope / v**2, 2 * outer / v**3 - self.bend / v**2)

    @classmethod
    def sines(cls, phi) -> list[Jet]:
        """sin φ of each φ."""
        unit = np.eye(len(phi))
        each = zip(np.sin(phi), np.cos(phi), unit, strict=True)
        return [cls(s, c * e, np.diag(-s * e)) for s, c, e in each]

    @classmethod
    def constant(cls, value: float, n: int) -> Jet:
        """A constant, of n φ."""
        return cls(value, np.zeros(n), np.zeros((n, n)))


def _taylor(phi) -> list[Jet]:
    """Autocorrelations of lags 0 ... p - 1 with their derivatives by φ."""
    return _durbin_levinson(Jet.sines(phi), Jet.constant(1.0, len(phi)))
