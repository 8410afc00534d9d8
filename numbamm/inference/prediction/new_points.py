"""`NewPoints`: effects over positions at points that the fit did not have (kriging)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numbamm.formula.newrows import Elsewhere
    from numbamm.structures.positions import OverPositions


@dataclass
class NewPoints:
    """Effects at points that the fit did not have, given those at its points.

    Attributes
    ----------
    term : int
        The term, among `reterms`, of which the structure is that of these columns.
    columns : list of int
    structure : OverPositions
    theta : ndarray
        The part of θ that is the structure's.
    which : ndarray of int64, shape (n,)
        The point of each row, -1 where it is one of the fit's.
    points : ndarray, shape (m, number of coordinates)
    """

    term: int
    columns: list[int]
    structure: OverPositions
    theta: np.ndarray
    which: np.ndarray
    points: np.ndarray

    @classmethod
    def of(cls, term: int, structure, theta, there: Elsewhere) -> NewPoints:
        """Those of a term, from its structure and θ."""
        sizes = [part.size for _, part in structure.parts]
        own = np.split(theta, np.cumsum(sizes)[:-1])[there.part]
        columns, part = structure.parts[there.part]
        return cls(term, columns, part, own, there.which, there.points)

    @cached_property
    def _from_known(self) -> tuple[np.ndarray, np.ndarray]:
        """The weights of the known effects, and the variances that they leave."""
        return self.structure.weights_at(self.theta, self.points)

    @property
    def rows(self) -> np.ndarray:
        """The rows that are at such points."""
        return np.flatnonzero(self.which >= 0)

    def fill(self, z) -> None:
        """Let rows of a term's columns z, shape (p, n), give the mean given the known effects."""
        z[np.array(self.columns)[:, None], self.rows] = self._from_known[0][self.which[self.rows]].T

    def rest(self) -> np.ndarray:
        """The variances that the known effects leave in `rows`, relative to σ²."""
        return self._from_known[1][self.which[self.rows]]

    def draws(self, sigma: float, refs, nlevels: int, rng) -> np.ndarray:
        """Draws of what the known effects leave open, for each row; shape (n,)."""
        values, vectors = np.linalg.eigh(self.structure.covariance_at(self.theta, self.points))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        drawn = sigma * rng.standard_normal((nlevels, len(values))) @ root.T
        out = np.zeros(len(refs))
        out[self.rows] = drawn[refs[self.rows], self.which[self.rows]]
        return out
