"""`HomDiag`: independent effects of one variance, ``homdiag(0 + x + z | g)``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from numbamm.structures.structure import Structure, from_to


@dataclass(frozen=True)
class HomDiag(Structure):
    """One variance for all effects and no correlations: λ = θI."""

    p: int
    names: ClassVar = ("homdiag",)

    @cached_property
    def entries(self) -> np.ndarray:
        return np.arange(self.p) * (self.p + 1)

    @property
    def is_free(self) -> bool:
        return False

    @property
    def size(self) -> int:
        return 1

    def values(self, theta) -> np.ndarray:
        return np.repeat(theta, self.p, axis=-1)

    def jacobian(self, theta) -> np.ndarray:
        return np.ones((self.p, 1))

    def nearest(self, matrix) -> np.ndarray:
        return np.array([np.linalg.norm(matrix) / np.sqrt(self.p)])

    def rectified(self, theta) -> np.ndarray:
        return np.abs(theta)

    @cached_property
    def is_scale(self) -> np.ndarray:
        return np.array([True])

    @property
    def rows(self) -> np.ndarray:
        return np.array([0])

    def column_sizes(self, sizes) -> np.ndarray:
        return np.sqrt(np.mean(sizes**2, keepdims=True))

    @property
    def of_one_size(self) -> list[list[int]]:
        return [list(range(self.p))]

    def labels(self, cnames) -> list[str]:
        return [from_to(cnames)]

    def deviations(self, cnames) -> list[tuple[int, str]]:
        return [(0, self.labels(cnames)[0])]

    @property
    def units(self) -> np.ndarray:
        return np.eye(self.p)[None]

    def coordinates(self, matrices) -> np.ndarray:
        return np.trace(matrices, axis1=-2, axis2=-1)[..., None] / self.p

    def lifts(self, lam, size):
        scale = self.column_sizes(size)[0]
        A = np.broadcast_to(np.eye(self.p) / scale, lam.shape)
        yield lam, A, (scale * lam[..., 0, 0]) ** 2

    def fall(self, theta, N, size):
        diagonal = np.diag(N)
        share = diagonal.sum() / max(np.abs(diagonal).sum(), np.finfo(float).tiny)
        return share, lambda epsilon: theta + epsilon / self.column_sizes(size)

    def select(self, columns) -> HomDiag:
        return HomDiag(len(columns))
