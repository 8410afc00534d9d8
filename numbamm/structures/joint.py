"""`Joint`: θ of a whole model, term after term, and the λ of all terms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from numbamm.structures.structure import Structure


class Joint:
    """The structures of all terms, in the order of θ.

    Parameters
    ----------
    structures : sequence of Structure
    """

    def __init__(self, structures: Sequence[Structure]) -> None:
        self.structures = list(structures)
        stops = np.cumsum([0, *(s.size for s in self.structures)]).tolist()
        self._slices = [slice(a, b) for a, b in pairwise(stops)]
        #: Number of θ.
        self.size = stops[-1]
        #: Whether θ are the entries of λ, which kernels take.
        self.is_free = all(s.is_free for s in self.structures)

    @classmethod
    def of(cls, terms) -> Joint:
        """The structures of terms (`ReMat`)."""
        return cls([term.structure for term in terms])

    def split(self, theta: np.ndarray) -> list[np.ndarray]:
        """θ of each term, from an array whose last axis is θ."""
        return [theta[..., at] for at in self._slices]

    def join(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """θ, from that of each term; along the last axis."""
        return np.concatenate(parts, axis=-1) if parts else np.zeros(0)

    def _pairs(self, theta):
        return zip(self.structures, self.split(theta), strict=True)

    def matrices(self, theta: np.ndarray) -> list[np.ndarray]:
        """λ of each term, shape (..., p, p)."""
        return [s.matrix(own) for s, own in self._pairs(theta)]

    def entries(self, theta: np.ndarray) -> np.ndarray:
        """The entries of every λ, as kernels take them."""
        if self.is_free:
            return theta
        return self.join([s.values(own) for s, own in self._pairs(theta)])

    def slopes(self, theta: np.ndarray, by_entry: np.ndarray) -> np.ndarray:
        """The gradient in θ, from that in the entries of every λ at θ."""
        if self.is_free:
            return by_entry
        by_term = np.split(by_entry, self._stops)
        pairs = zip(self._pairs(theta), by_term, strict=True)
        return self.join([s.slopes(own, slopes) for (s, own), slopes in pairs])

    def nearest(self, entries: np.ndarray) -> np.ndarray:
        """The θ of entries of every λ; see `Structure.nearest`."""
        if self.is_free:
            return entries
        parts = []
        for s, own in zip(self.structures, np.split(entries, self._stops), strict=True):
            lam = np.zeros(s.p * s.p)
            lam[s.entries] = own
            parts.append(s.nearest(lam.reshape(s.p, s.p)))
        return self.join(parts)

    @cached_property
    def free_entries(self) -> np.ndarray:
        """For each entry of every λ, whether it is a θ."""
        parts = [part for s in self.structures for _, part in s.parts]
        return np.repeat([p.is_free for p in parts], [len(p.entries) for p in parts])

    def bound_parts(self) -> Iterator[tuple[int, list[int], slice, Structure]]:
        """Parts whose θ are not entries of λ: their term, columns, place in θ, and structure."""
        at = 0
        for k, s in enumerate(self.structures):
            for columns, part in s.parts:
                if not part.is_free:
                    yield k, columns, slice(at, at + part.size), part
                at += part.size

    @cached_property
    def _stops(self) -> np.ndarray:
        """Where the entries of the next term begin."""
        return np.cumsum([len(s.entries) for s in self.structures])[:-1]

    def rectified(self, theta: np.ndarray) -> np.ndarray:
        """θ, of shape (..., size), with the same λλ' and the signs of `Structure.rectified`."""
        lines = np.atleast_2d(np.asarray(theta, dtype=np.float64))
        parts = [s.rectified(own) for s, own in self._pairs(lines)]
        return self.join(parts).reshape(np.shape(theta)) + 0.0  # no negative zeros

    @property
    def start(self) -> np.ndarray:
        """θ with every λ = I."""
        return self.join([s.start for s in self.structures])

    def of_one_sd(self, sd: float) -> np.ndarray:
        """θ where all effects have this standard deviation, relative to σ."""
        return self.join([s.of_sds(np.full(s.p, sd)) for s in self.structures])

    @property
    def lowerbd(self) -> np.ndarray:
        """Lower bounds of θ."""
        return self.join([s.lowerbd for s in self.structures])

    @cached_property
    def scale_powers(self) -> np.ndarray:
        """Powers of a common factor of all λ in θ; see `Structure.scale_powers`."""
        return self.join([s.scale_powers for s in self.structures])

    def column_sizes(self, sizes: Sequence[np.ndarray]) -> np.ndarray:
        """For each θ, the size of the column of Z that it multiplies, from those of all terms."""
        pairs = zip(self.structures, sizes, strict=True)
        return self.join([s.column_sizes(own) for s, own in pairs])
