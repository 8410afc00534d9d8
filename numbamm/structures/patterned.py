"""`Patterned`: standard deviations and a correlation matrix of few parameters.

    λλ' = S C(φ) S,   S = diag(s)

θ are unbounded: the standard deviations come first, then φ.

* One standard deviation for all effects, s = |θ|: λλ' is even in it, and smooth at zero. One for
  each effect is s_i = θ_i², since s_i s_j C_ij is not even in s_i.
* Correlations are sines, ρ = sin φ. So the objective is smooth beyond ρ = ±1, where λ is singular,
  and even around it: a bound is an ordinary stationary point, which a search reaches in few steps.

Searches know λλ' and its derivatives alone. Derivatives of the factor follow from those of C by
dL = L Φ(L⁻¹ dC L⁻ᵀ), where C = LL' and Φ takes the lower triangle with half of the diagonal.

Source: Murray (2016), Differentiation of the Cholesky decomposition, arXiv 1602.07527.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.linalg import solve_triangular

from numbamm.structures.structure import Shape, Structure, from_to

#: Added to the diagonal of a correlation matrix that is singular to working precision.
RIDGE = 1e-13, 1e-11, 1e-9
#: Standard deviations below this, in columns of size one, are zero for `Patterned.fall`.
ZERO = 1e-3
#: Angles at which `Patterned.fall` tries each φ where the standard deviations are zero.
TRIED = np.linspace(-np.pi / 2, np.pi / 2, 9)


@dataclass(frozen=True)
class Patterned(Structure):
    """Base of structures that are standard deviations and a pattern of correlations."""

    p: int
    fewest: ClassVar = 2

    # ---- what a structure says ------------------------------------------------------------------

    @property
    @abstractmethod
    def nshape(self) -> int:
        """Number of φ."""

    @abstractmethod
    def correlation(self, phi: np.ndarray) -> np.ndarray:
        """C(φ), shape (p, p)."""

    @abstractmethod
    def correlation_slopes(self, phi: np.ndarray) -> np.ndarray:
        """Derivatives of C by φ, shape (nshape, p, p)."""

    @abstractmethod
    def correlation_bend(self, phi: np.ndarray, N: np.ndarray) -> np.ndarray:
        """tr(N ∂²C) by each pair of φ, shape (nshape, nshape)."""

    @abstractmethod
    def shape_of(self, C: np.ndarray) -> np.ndarray:
        """φ of a correlation matrix, which has NaN where it is not known; or of one near it."""

    @property
    def start_shape(self) -> np.ndarray:
        """φ at which searches begin, shape (nshape,)."""
        return self.shape_of(np.eye(self.p))

    # ---- λ --------------------------------------------------------------------------------------

    @cached_property
    def entries(self) -> np.ndarray:
        column, row = np.triu_indices(self.p)
        return row * self.p + column

    @property
    def is_free(self) -> bool:
        return False

    @property
    def is_linear(self) -> bool:
        return False

    @property
    def nscale(self) -> int:
        """Number of standard deviations."""
        return self.p if self.heterogeneous else 1

    @property
    def size(self) -> int:
        return self.nscale + self.nshape

    def sds(self, theta) -> np.ndarray:
        """The p standard deviations, of shape (..., p); one for all keeps the sign of its θ."""
        scales = np.asarray(theta)[..., : self.nscale]
        return scales**2 if self.heterogeneous else np.repeat(scales, self.p, axis=-1)

    def values(self, theta) -> np.ndarray:
        theta = np.asarray(theta, dtype=np.float64)
        lines = theta.reshape(-1, self.size)
        out = np.empty((len(lines), len(self.entries)))
        for i, line in enumerate(lines):
            L = factor_of(self.correlation(line[self.nscale :]))
            out[i] = (self.sds(line)[:, None] * L).ravel()[self.entries]
        return out.reshape(*theta.shape[:-1], len(self.entries))

    def jacobian(self, theta) -> np.ndarray:
        phi, s = theta[self.nscale :], self.sds(theta)
        L = factor_of(self.correlation(phi))
        moves = np.zeros((self.size, self.p, self.p))
        if self.heterogeneous:
            each = np.arange(self.p)
            moves[each, each] = 2 * theta[: self.p, None] * L
        else:
            moves[0] = L
        for k, dC in enumerate(self.correlation_slopes(phi), start=self.nscale):
            half = solve_triangular(L, dC, lower=True)
            inner = np.tril(solve_triangular(L, half.T, lower=True))
            inner[np.diag_indices(self.p)] /= 2
            moves[k] = s[:, None] * (L @ inner)
        return moves.reshape(self.size, -1)[:, self.entries].T

    def nearest(self, matrix) -> np.ndarray:
        gamma = matrix @ matrix.T
        s = np.sqrt(np.diag(gamma))
        with np.errstate(divide="ignore", invalid="ignore"):
            C = gamma / np.outer(s, s)
        np.fill_diagonal(C, 1.0)
        scales = np.sqrt(s) if self.heterogeneous else [np.sqrt(np.mean(s**2))]
        return np.concatenate([scales, self.shape_of(C)])

    def rectified(self, theta) -> np.ndarray:
        theta = theta.copy()
        theta[:, : self.nscale] = np.abs(theta[:, : self.nscale])
        theta[:, self.nscale :] = self.rectified_shape(theta[:, self.nscale :])
        return theta

    def rectified_shape(self, phi: np.ndarray) -> np.ndarray:
        """The φ of least size with the same C, shape (lines, nshape)."""
        return np.where(np.abs(phi) > np.pi / 2, np.arcsin(np.sin(phi)), phi)

    # ---- θ --------------------------------------------------------------------------------------

    @cached_property
    def start(self) -> np.ndarray:
        return np.concatenate([np.ones(self.nscale), self.start_shape])

    def of_sds(self, sds) -> np.ndarray:
        scales = np.sqrt(sds) if self.heterogeneous else [np.sqrt(np.mean(sds**2))]
        return np.concatenate([scales, self.start_shape])

    @cached_property
    def is_scale(self) -> np.ndarray:
        return np.arange(self.size) < self.nscale

    @property
    def rows(self) -> np.ndarray:
        first = np.arange(self.p) if self.heterogeneous else [0]
        return np.concatenate([first, np.zeros(self.nshape)]).astype(int)

    @property
    def scale_powers(self) -> np.ndarray:
        return np.repeat([0.5 if self.heterogeneous else 1.0, 0.0], [self.nscale, self.nshape])

    def column_sizes(self, sizes) -> np.ndarray:
        scales = np.sqrt(sizes) if self.heterogeneous else [np.sqrt(np.mean(sizes**2))]
        return np.concatenate([scales, np.ones(self.nshape)])

    @property
    def of_one_size(self) -> list[list[int]]:
        return super().of_one_size if self.heterogeneous else [list(range(self.p))]

    def labels(self, cnames) -> list[str]:
        whole = self.whole(cnames)
        return [
            *(cnames if self.heterogeneous else [whole]),
            *(f"{name}.{whole}" for name in self.angle_names),
        ]

    def shape_labels(self, cnames) -> list[str]:
        return [f"{shape.name}_{self.whole(cnames)}" for shape in self.shapes]

    def whole(self, cnames) -> str:
        """The name of all effects together."""
        return from_to(cnames)

    @property
    def angle_names(self) -> list[str]:
        """Names of φ in names of θ: those of the parameters, if there is one for each."""
        return [f"{shape.name}_angle" for shape in self.shapes]

    def deviations(self, cnames) -> list[tuple[int, str]]:
        return list(enumerate(cnames)) if self.heterogeneous else [(0, self.whole(cnames))]

    @property
    def correlations(self) -> list[tuple[int, int]]:
        return []

    @property
    def shapes(self) -> list[Shape]:
        return [Shape("rho", -1.0, 1.0)]

    def shape_values(self, theta) -> np.ndarray:
        return np.sin(np.asarray(theta)[..., self.nscale :])

    # ---- λλ' ------------------------------------------------------------------------------------

    def covariance_slopes(self, theta) -> np.ndarray:
        phi, s = theta[self.nscale :], self.sds(theta)
        C, out = self.correlation(phi), np.zeros((self.size, self.p, self.p))
        if self.heterogeneous:
            each, slopes = np.arange(self.p), 2 * theta[: self.p, None] * C * s
            out[each, each] = slopes
            out[each, :, each] += slopes
        else:
            out[0] = 2 * theta[0] * C
        out[self.nscale :] = np.outer(s, s) * self.correlation_slopes(phi)
        return out

    def bend(self, theta, N) -> np.ndarray:
        phi, s, k = theta[self.nscale :], self.sds(theta), self.nscale
        C, dC, out = self.correlation(phi), self.correlation_slopes(phi), np.empty((self.size,) * 2)
        out[k:, k:] = self.correlation_bend(phi, np.outer(s, s) * N)
        if self.heterogeneous:
            x, NC = theta[:k], N * C
            out[:k, :k] = 8 * np.outer(x, x) * NC + np.diag(4 * NC @ s)
            cross = 4 * x[:, None] * np.einsum("ab,tab,b->at", N, dC, s)
        else:
            out[0, 0] = 2 * (N * C).sum()
            cross = 2 * theta[0] * np.einsum("ab,tab->t", N, dC)[None]
        out[:k, k:], out[k:, :k] = cross, cross.T
        return out

    def some_theta(self) -> np.ndarray:
        scales = np.linspace(0.8, 1.2, self.nscale)
        return np.concatenate([scales, self.start_shape + np.linspace(0.3, 0.2, self.nshape)])

    def lacks_rank(self, theta, size, tol) -> bool:
        small = np.abs(self.sds(theta)) * size < tol
        return bool(small.any() or self.at_bound(theta[self.nscale :], tol))

    def without_effect(self, theta, size, tol) -> np.ndarray:
        """Correlations of effects whose standard deviations are zero, all but one or all."""
        positive = np.abs(self.sds(theta)) * size >= tol
        return ~self.is_scale & (positive.sum() < 2)

    def bounds_met(self, theta, tol) -> list[str]:
        if not self.at_bound(theta[self.nscale :], tol):
            return []
        values = zip(self.shapes, self.shape_values(theta), strict=True)
        kept = [(shape.name, value) for shape, value in values]
        return [f"{name} of {self.names[0]} is {value:.3g}" for name, value in kept]

    def at_bound(self, phi, tol: float) -> bool:
        """Whether C is singular at the bound of a correlation: within tol² or so of it."""
        return bool((np.abs(np.cos(phi)) < tol).any())

    def fall(self, theta, N, size):
        """Second derivatives along θ in which λλ' has no first ones: from zeros, and from bounds.

        Where no two standard deviations differ from zero, φ may have any value: some are tried.
        """
        k, unit = self.nscale, self.column_sizes(size)
        scale = max(np.abs(np.diag(N) / size**2).sum(), np.finfo(float).tiny)
        positive = np.flatnonzero(np.abs(self.sds(theta)) * size >= ZERO)
        if len(positive) == 0:
            return self._fall_from_zero(theta, N, size, scale)
        if len(positive) == 1 and self.p > 1:
            return self._fall_from_one(theta, N, size, int(positive[0]))
        slopes = self.covariance_slopes(theta) / np.outer(size, size) / unit[:, None, None]
        values, vectors = np.linalg.eigh(np.einsum("sab,tab->st", slopes, slopes))
        null = vectors[:, values < 1e-6 * values[-1]] / unit[:, None]
        if not null.shape[1]:
            return np.inf, lambda epsilon: theta
        values, vectors = np.linalg.eigh(null.T @ self.bend(theta, N) @ null)
        direction = null @ vectors[:, 0]
        direction[:k] *= np.where(direction[:k].sum() < 0, -1.0, 1.0)
        return values[0] / scale, lambda epsilon: theta + epsilon * direction

    def _fall_from_zero(self, theta, N, size, scale):
        """The least s'(N∘C)s of equal standard deviations, and single ones, over some φ."""
        k, least = self.nscale, (np.inf, theta[self.nscale :], np.zeros(self.nscale))
        unit = 1 / self.column_sizes(size)[:k]
        for j in range(self.nshape):
            for angle in TRIED:
                phi = np.array(self.start_shape)
                phi[j] = angle
                NC = N * self.correlation(phi)
                tried = [unit] if not self.heterogeneous else [unit, *np.diag(unit)]
                for scales in tried:
                    s = self.sds(np.concatenate([scales, phi]))
                    value = s @ NC @ s
                    if value < least[0]:
                        least = value, phi, scales
        value, phi, scales = least
        return value / scale, lambda epsilon: np.concatenate([epsilon * scales, phi])

    def _fall_from_one(self, theta, N, size, one: int):
        """The steepest slope in a standard deviation of zero beside the one that is not, some φ."""
        k, least = self.nscale, (np.inf, theta[self.nscale :], 0)
        scaled = N / np.outer(size, size)
        for j in range(self.nshape):
            for angle in TRIED:
                phi = np.array(self.start_shape)
                phi[j] = angle
                slopes = scaled[one] * self.correlation(phi)[one]
                slopes[one] = np.inf
                if slopes.min() < least[0]:
                    least = slopes.min(), phi, int(slopes.argmin())
        value, phi, at = least

        def escape(epsilon: float) -> np.ndarray:
            scales = np.where(np.arange(k) == one, theta[:k], 0.0)
            scales[at] = epsilon / np.sqrt(size[at])
            return np.concatenate([scales, phi])

        return value / max(np.abs(scaled).max(), np.finfo(float).tiny), escape

    def select(self, columns) -> Structure:
        return type(self)(len(columns))


def factor_of(C) -> np.ndarray:
    """The Cholesky factor of a correlation matrix, singular ones included."""
    try:
        return np.linalg.cholesky(C)
    except np.linalg.LinAlgError:
        for ridge in RIDGE:
            try:
                return np.linalg.cholesky(C + ridge * np.eye(len(C)))
            except np.linalg.LinAlgError:
                continue
        return np.full_like(C, np.nan)  # no correlation matrix, or not finite: no objective there
