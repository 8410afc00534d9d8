"""`Rr`: reduced rank, ``rr(0 + trait | g, d=2)``: effects that are combinations of d factors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from numbamm.structures.structure import Structure


@dataclass(frozen=True)
class Rr(Structure):
    """λλ' = LL' with p × d loadings L, zero above the diagonal; θ are their other entries.

    λλ' is singular by design. As for `us`, rotations of L's columns are excluded by the zeros, and
    the columns' signs are arbitrary.

    Attributes
    ----------
    d : int
        The rank.
    """

    p: int
    d: int = 2
    names: ClassVar = ("rr",)
    options: ClassVar = {"d": 2}

    def __post_init__(self) -> None:
        object.__setattr__(self, "d", min(self.d, self.p))

    @cached_property
    def entries(self) -> np.ndarray:
        column, row = np.triu_indices(self.p)
        return row * self.p + column

    @cached_property
    def _loadings(self) -> np.ndarray:
        """Positions of θ among `entries`."""
        return np.flatnonzero(self.entries % self.p < self.d)

    @property
    def is_free(self) -> bool:
        return False

    @property
    def is_linear(self) -> bool:
        return False  # its λλ' is no linear space, and its columns cannot be permuted

    @property
    def size(self) -> int:
        return len(self._loadings)

    def values(self, theta) -> np.ndarray:
        out = np.zeros((*np.shape(theta)[:-1], len(self.entries)))
        out[..., self._loadings] = theta
        return out

    def jacobian(self, theta) -> np.ndarray:
        return np.eye(len(self.entries))[:, self._loadings]

    def nearest(self, matrix) -> np.ndarray:
        U, root, _ = np.linalg.svd(matrix)
        L = U[:, : self.d] * root[: self.d]
        return self._theta_of(L)

    def _theta_of(self, L) -> np.ndarray:
        """θ of p × d loadings, which are rotated to have zeros above the diagonal."""
        R = np.linalg.qr(L.T)[1]
        lam = np.zeros((self.p, self.p))
        lam[:, : self.d] = (R * np.where(np.diag(R) < 0, -1.0, 1.0)[:, None]).T
        return lam.ravel()[self.entries[self._loadings]]

    def rectified(self, theta) -> np.ndarray:
        column = self.entries[self._loadings] % self.p
        signs = np.where(theta[:, self.is_scale] < 0, -1.0, 1.0)
        return theta * signs[:, column]

    @cached_property
    def start(self) -> np.ndarray:
        k, j = np.mgrid[: self.p, : self.d]
        return self._theta_of(np.cos(np.pi * j * (k + 0.5) / self.p))

    def of_sds(self, sds) -> np.ndarray:
        L = self.matrix(self.start)[:, : self.d]
        return self._theta_of(L / np.linalg.norm(L, axis=1, keepdims=True) * sds[:, None])

    @cached_property
    def is_scale(self) -> np.ndarray:
        row, column = np.divmod(self.entries[self._loadings], self.p)
        return row == column

    @property
    def rows(self) -> np.ndarray:
        return self.entries[self._loadings] // self.p

    def labels(self, cnames) -> list[str]:
        row, column = np.divmod(self.entries[self._loadings], self.p)
        return [f"{cnames[r]}.factor{c + 1}" for r, c in zip(row, column, strict=True)]

    @property
    def correlations(self) -> list[tuple[int, int]]:
        return [] if self.d == 1 else super().correlations

    @property
    def mixable(self) -> list[list[int]]:
        return [list(range(self.p))]

    def lacks_rank(self, theta, size, tol) -> bool:
        return self._roots(theta, size)[1][self.d - 1] < tol

    def _roots(self, theta, size) -> tuple[np.ndarray, np.ndarray]:
        """Principal axes and standard deviations in columns of size one."""
        axes, roots, _ = np.linalg.svd(size[:, None] * self.matrix(theta))
        return axes, roots

    def fall(self, theta, N, size):
        axes, roots = self._roots(theta, size)
        rank = int((roots[: self.d] >= 1e-3).sum())
        if rank == self.d:
            return np.inf, lambda epsilon: theta
        scaled = N / np.outer(size, size)
        null = axes[:, rank:]
        values, vectors = np.linalg.eigh(null.T @ scaled @ null)
        largest = max(np.abs(np.linalg.eigvalsh(scaled)).max(), np.finfo(float).tiny)
        more = null @ vectors[:, :1] / size[:, None]
        kept = (axes * roots)[:, : self.d] / size[:, None]

        def escape(epsilon: float) -> np.ndarray:
            L = kept.copy()
            L[:, rank : rank + 1] = epsilon * more
            return self._theta_of(L)

        return values[0] / largest, escape

    def has_case(self, other) -> bool:
        return isinstance(other, Rr) and other.p == self.p and other.d <= self.d

    def select(self, columns) -> Rr:
        return Rr(len(columns), self.d)

    def to_json(self) -> Any:
        return [self.names[0], {"d": self.d}]
