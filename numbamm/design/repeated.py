"""`Repeated`: the structure of one level's effects, for many levels at once: I ⊗ λ.

Levels with a known covariance K = RR' are the one level of a term with columns ZR: r × p effects,
of which those of each column of R have the structure of the term. It has no name in formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numbamm.structures.structure import Structure


@dataclass(frozen=True)
class Repeated(Structure):
    """Independent repetitions of a structure, of the same θ.

    Attributes
    ----------
    inner : Structure
    times : int
        Number of repetitions r.
    """

    inner: Structure
    times: int

    @property
    def p(self) -> int:  # type: ignore[override]
        return self.inner.p * self.times

    @cached_property
    def entries(self) -> np.ndarray:
        row, column = np.divmod(self.inner.entries, self.inner.p)
        first = self.inner.p * np.arange(self.times)[:, None]
        return ((row + first) * self.p + column + first).ravel()

    @property
    def is_free(self) -> bool:
        return False

    @property
    def is_linear(self) -> bool:
        return self.inner.is_linear

    @property
    def size(self) -> int:
        return self.inner.size

    def values(self, theta) -> np.ndarray:
        inner = self.inner.values(np.asarray(theta))
        return np.tile(inner, (*(1,) * (inner.ndim - 1), self.times))

    def jacobian(self, theta) -> np.ndarray:
        return np.tile(self.inner.jacobian(theta), (self.times, 1))

    def slopes(self, theta, by_entry) -> np.ndarray:
        return self.inner.slopes(theta, by_entry.reshape(self.times, -1).sum(axis=0))

    def nearest(self, matrix) -> np.ndarray:
        p = self.inner.p
        return self.inner.nearest(self._blocks(matrix).mean(axis=0)) if p else np.zeros(0)

    def _blocks(self, matrix) -> np.ndarray:
        """Its diagonal blocks, shape (..., times, p, p)."""
        p, r = self.inner.p, self.times
        parts = matrix.reshape(*matrix.shape[:-2], r, p, r, p)
        return np.moveaxis(np.diagonal(parts, axis1=-4, axis2=-2), -1, -3)

    def _sizes(self, sizes) -> np.ndarray:
        """Sizes of the term's columns: an effect is the sum of those of all repetitions."""
        return np.sqrt((np.asarray(sizes).reshape(self.times, self.inner.p) ** 2).sum(axis=0))

    def rectified(self, theta) -> np.ndarray:
        return self.inner.rectified(theta)

    @cached_property
    def start(self) -> np.ndarray:
        return self.inner.start

    def of_sds(self, sds) -> np.ndarray:
        return self.inner.of_sds(np.asarray(sds).reshape(self.times, -1).mean(axis=0))

    @cached_property
    def is_scale(self) -> np.ndarray:
        return self.inner.is_scale

    @property
    def lowerbd(self) -> np.ndarray:
        return self.inner.lowerbd

    @property
    def rows(self) -> np.ndarray:
        return self.inner.rows

    def column_sizes(self, sizes) -> np.ndarray:
        return self.inner.column_sizes(self._sizes(sizes))

    def labels(self, cnames) -> list[str]:
        return self.inner.labels(cnames[: self.inner.p])

    def covariance_slopes(self, theta) -> np.ndarray:
        return np.kron(np.eye(self.times), self.inner.covariance_slopes(theta))

    def bend(self, theta, N) -> np.ndarray:
        return self.inner.bend(theta, self._blocks(N).sum(axis=0))

    def lacks_rank(self, theta, size, tol) -> bool:
        return self.inner.lacks_rank(theta, self._sizes(size), tol)

    @property
    def units(self) -> np.ndarray:
        return np.kron(np.eye(self.times), self.inner.units)

    def directions(self, theta) -> np.ndarray:
        return np.kron(np.eye(self.times), self.inner.directions(theta))

    def coordinates(self, matrices) -> np.ndarray:
        return self.inner.coordinates(self._blocks(matrices).mean(axis=-3))

    def lifts(self, lam, size):
        p = self.inner.p
        sizes = np.sqrt((np.reshape(size, (*np.shape(size)[:-1], self.times, p)) ** 2).sum(axis=-2))
        eye = np.eye(self.times)
        for L, A, variance in self.inner.lifts(self._blocks(lam)[..., 0, :, :], sizes):
            yield np.kron(eye, L), np.kron(eye, A), variance

    def some_theta(self) -> np.ndarray:
        return self.inner.some_theta()

    def fall(self, theta, N, size):
        N, size = self._blocks(N).sum(axis=0), self._sizes(size)
        if not self.inner.is_free:
            return self.inner.fall(theta, N, size)
        found = [self._fall_of(block, theta, N, size) for block in self.inner.blocks]
        return min(found, key=lambda pair: pair[0])

    def _fall_of(self, block, theta, N, size):
        """`fall` in a full triangle of a free inner structure; see `blocks.search.certificate`."""
        here, size = np.ix_(block, block), np.where(size > 0, size, 1.0)[block]
        lam = size[:, None] * self.inner.matrix(theta)[here]
        axes, roots, _ = np.linalg.svd(lam)
        null = axes[:, roots < 1e-3]
        if not null.shape[1]:
            return np.inf, lambda epsilon: theta
        scaled = N[here] / np.outer(size, size)
        values, vectors = np.linalg.eigh(null.T @ scaled @ null)
        largest = max(np.abs(np.linalg.eigvalsh(scaled)).max(), np.finfo(float).tiny)
        v = null @ vectors[:, 0]

        def escape(epsilon: float) -> np.ndarray:
            whole = np.array(self.inner.matrix(theta))
            R = np.linalg.qr(np.column_stack([lam, epsilon * v]).T)[1]
            root = (R * np.where(np.diag(R) < 0, -1.0, 1.0)[:, None]).T
            whole[here] = root / size[:, None]
            return self.inner.nearest(whole)

        return values[0] / largest, escape

    def select(self, columns) -> Structure:
        p = self.inner.p
        return Repeated(self.inner.select([c for c in columns if c < p]), self.times)

    def to_json(self):
        return self.inner.to_json()
