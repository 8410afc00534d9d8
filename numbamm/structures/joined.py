"""`Joined`: terms on one grouping factor as one term, ``(1 | g) + (0 + x | g)``.

λ is block diagonal, with a block for each of them, and θ is theirs, one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

import numpy as np
from scipy.linalg import block_diag

from numbamm.structures.structure import Shape, Structure

#: Its name in files; in formulas it has none.
JOINED = "joined"


@dataclass(frozen=True)
class Joined(Structure):
    """Independent parts, each with consecutive columns and a structure of its own.

    Attributes
    ----------
    members : tuple of Structure
        The structures of the parts.
    """

    members: tuple[Structure, ...]
    p: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", sum(part.p for part in self.members))

    @cached_property
    def _first(self) -> list[int]:
        """First column of each part."""
        return [*accumulate((part.p for part in self.members[:-1]), initial=0)]

    @cached_property
    def entries(self) -> np.ndarray:
        placed = []
        for part, first in zip(self.members, self._first, strict=True):
            row, column = np.divmod(part.entries, part.p)
            placed.append((row + first) * self.p + column + first)
        return np.concatenate(placed)

    @cached_property
    def is_free(self) -> bool:
        return all(part.is_free for part in self.members)

    @cached_property
    def is_linear(self) -> bool:
        return all(part.is_linear for part in self.members)

    @cached_property
    def size(self) -> int:
        return sum(part.size for part in self.members)

    def _split(self, theta) -> list[np.ndarray]:
        """θ of each part."""
        stops = np.cumsum([part.size for part in self.members])
        return np.split(theta, stops[:-1], axis=-1)

    def _each(self, method: str, theta, axis: int = -1) -> np.ndarray:
        """Results of a method of each part for its θ, concatenated."""
        pairs = zip(self.members, self._split(theta), strict=True)
        return np.concatenate([getattr(part, method)(own) for part, own in pairs], axis=axis)

    def values(self, theta) -> np.ndarray:
        return theta if self.is_free else self._each("values", theta)

    def jacobian(self, theta) -> np.ndarray:
        pairs = zip(self.members, self._split(theta), strict=True)
        return block_diag(*(part.jacobian(own) for part, own in pairs))

    def nearest(self, matrix) -> np.ndarray:
        return np.concatenate([s.nearest(matrix[np.ix_(c, c)]) for c, s in self.parts])

    @cached_property
    def start(self) -> np.ndarray:
        return np.concatenate([part.start for part in self.members])

    def rectified(self, theta) -> np.ndarray:
        return self._each("rectified", theta, axis=1)

    @cached_property
    def is_scale(self) -> np.ndarray:
        return np.concatenate([part.is_scale for part in self.members])

    @property
    def lowerbd(self) -> np.ndarray:
        return np.concatenate([part.lowerbd for part in self.members])

    @property
    def rows(self) -> np.ndarray:
        return np.concatenate([c[0] + s.rows for c, s in self.parts])

    @property
    def scale_powers(self) -> np.ndarray:
        return np.concatenate([part.scale_powers for part in self.members])

    def column_sizes(self, sizes) -> np.ndarray:
        return np.concatenate([s.column_sizes(sizes[c]) for c, s in self.parts])

    def labels(self, cnames) -> list[str]:
        return [name for c, s in self.parts for name in s.labels([cnames[j] for j in c])]

    def deviations(self, cnames) -> list[tuple[int, str]]:
        return [
            (c[j], name) for c, s in self.parts for j, name in s.deviations([cnames[i] for i in c])
        ]

    @property
    def correlations(self) -> list[tuple[int, int]]:
        return [(c[i], c[j]) for c, s in self.parts for i, j in s.correlations]

    @property
    def shapes(self) -> list[Shape]:
        return [shape for part in self.members for shape in part.shapes]

    def shape_labels(self, cnames) -> list[str]:
        return [name for c, s in self.parts for name in s.shape_labels([cnames[j] for j in c])]

    def shape_values(self, theta) -> np.ndarray:
        return self._each("shape_values", np.asarray(theta))

    def bounds_met(self, theta, tol) -> list[str]:
        pairs = zip(self.members, self._split(theta), strict=True)
        return [words for part, own in pairs for words in part.bounds_met(own, tol)]

    @property
    def units(self) -> np.ndarray:
        E, at = np.zeros((self.size, self.p, self.p)), 0
        for columns, part in self.parts:
            E[np.ix_(range(at, at + part.size), columns, columns)] = part.units
            at += part.size
        return E

    def coordinates(self, matrices) -> np.ndarray:
        of_parts = [s.coordinates(matrices[..., c, :][..., c]) for c, s in self.parts]
        return np.concatenate(of_parts, axis=-1)

    def lifts(self, lam, size):
        for columns, part in self.parts:
            rows, across = np.ix_(columns, columns)
            for moved in part.lifts(lam[..., rows, across], size[..., columns]):
                L, A = np.zeros((2, *lam.shape))
                L[..., rows, across], A[..., rows, across], variance = moved
                yield L, A, variance

    def covariance_slopes(self, theta) -> np.ndarray:
        out, at = np.zeros((self.size, self.p, self.p)), 0
        for (columns, part), own in zip(self.parts, self._split(theta), strict=True):
            here = np.ix_(range(at, at + part.size), columns, columns)
            out[here] = part.covariance_slopes(own)
            at += part.size
        return out

    def bend(self, theta, N) -> np.ndarray:
        pairs = zip(self.parts, self._split(theta), strict=True)
        return block_diag(*(s.bend(own, N[np.ix_(c, c)]) for (c, s), own in pairs))

    def lacks_rank(self, theta, size, tol) -> bool:
        pairs = zip(self.parts, self._split(theta), strict=True)
        return any(s.lacks_rank(own, size[c], tol) for (c, s), own in pairs)

    def without_effect(self, theta, size, tol) -> np.ndarray:
        pairs = zip(self.parts, self._split(theta), strict=True)
        return np.concatenate([s.without_effect(own, size[c], tol) for (c, s), own in pairs])

    @property
    def rank(self) -> int:
        return sum(part.rank for part in self.members)

    @property
    def unrestricted(self) -> list[list[int]]:
        return [[c[j] for j in group] for c, s in self.parts for group in s.unrestricted]

    def of_sds(self, sds) -> np.ndarray:
        return np.concatenate([s.of_sds(sds[c]) for c, s in self.parts])

    def some_theta(self) -> np.ndarray:
        return np.concatenate([part.some_theta() for part in self.members])

    def directions(self, theta) -> np.ndarray:
        out, at = np.zeros((self.size, self.p, self.p)), 0
        for (columns, part), own in zip(self.parts, self._split(theta), strict=True):
            out[np.ix_(range(at, at + part.size), columns, columns)] = part.directions(own)
            at += part.size
        return out

    @property
    def mixable(self) -> list[list[int]]:
        return [[c[j] for j in group] for c, s in self.parts for group in s.mixable]

    @property
    def of_one_size(self) -> list[list[int]]:
        return [[c[j] for j in group] for c, s in self.parts for group in s.of_one_size]

    @property
    def parts(self) -> list[tuple[list[int], Structure]]:
        return [
            (list(range(first, first + part.p)), part)
            for part, first in zip(self.members, self._first, strict=True)
        ]

    def select(self, columns) -> Structure:
        left = []
        for here, part in self.parts:
            kept = [j for j, column in enumerate(here) if column in columns]
            if kept:
                left.append(part.select(kept))
        return left[0] if len(left) == 1 else Joined(tuple(left))

    def to_json(self):
        if self.is_free:
            return super().to_json()
        return [JOINED, [[part.p, part.to_json()] for part in self.members]]
