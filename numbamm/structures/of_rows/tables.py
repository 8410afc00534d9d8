"""Tables of correlations: a value for each code, which stands for a pair of visits, a lag, ...

All have φ as the structure has them, without its standard deviations.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from numbamm.structures.structure import Shape, Structure

#: A nugget at which searches begin.
NUGGET = 0.2


class VisitTable:
    """Correlations of pairs of visits: visit i with visit j has the code p i + j.

    Parameters
    ----------
    structure : Patterned
        Of the p visits.
    """

    def __init__(self, structure) -> None:
        self.structure, self.size = structure, structure.nshape
        self.codes = structure.p**2

    @property
    def start(self) -> np.ndarray:
        """φ at which searches begin."""
        return self.structure.start_shape

    def of_stratum(self, k: int, phi) -> tuple[VisitTable, np.ndarray]:
        """The table of a stratum, and its φ: itself, for there is one."""
        return self, phi

    def values(self, phi) -> np.ndarray:
        """Correlations, shape (codes,)."""
        return self.structure.correlation(phi).ravel()

    def slopes(self, phi) -> np.ndarray:
        """Their derivatives, shape (size, codes)."""
        return self.structure.correlation_slopes(phi).reshape(self.size, self.codes)

    def between(self, phi, a, b) -> np.ndarray:
        """Correlations of different rows at positions a and b, of shape (..., coordinates)."""
        i, j = np.asarray(a)[..., 0].astype(int), np.asarray(b)[..., 0].astype(int)
        return self.structure.correlation(phi)[i, j]

    def rectified(self, phi) -> np.ndarray:
        """The φ of least size with the same correlations."""
        return self.structure.rectified_shape(phi[None])[0]

    @property
    def names(self) -> list[str]:
        """Names of φ."""
        return self.structure.angle_names

    @property
    def shapes(self) -> list[Shape]:
        """What users see of φ."""
        return self.structure.shapes

    def shape_values(self, phi) -> np.ndarray:
        """Values of `shapes`."""
        scales = np.ones(self.structure.nscale)
        return self.structure.shape_values(np.concatenate([scales, phi]))

    def at_bound(self, phi, tol: float) -> bool:
        """Whether a correlation is at its bound."""
        return self.size > 0 and self.structure.at_bound(phi, tol)


class AlikeTable(VisitTable):
    """One correlation of all rows of a group; code 0 is a row with itself, and code 1 two rows."""

    def between(self, phi, a, b) -> np.ndarray:
        shape = np.broadcast_shapes(np.shape(a)[:-1], np.shape(b)[:-1])
        return np.full(shape, self.values(phi)[1])


class LagTable(VisitTable):
    """Correlations by lags 0 ... p - 1, which are the codes.

    Parameters
    ----------
    structure : Ar1 or Ar2
        Of p times.
    """

    def __init__(self, structure) -> None:
        super().__init__(structure)
        self.codes = structure.p

    def values(self, phi) -> np.ndarray:
        return self.structure.autocorrelations(phi)

    def slopes(self, phi) -> np.ndarray:
        return self.structure.autocorrelation_slopes(phi).reshape(self.size, self.codes)

    def between(self, phi, a, b) -> np.ndarray:
        """Lags may be longer than those of the table."""
        lags = np.abs(np.asarray(a)[..., 0] - np.asarray(b)[..., 0]).astype(int)
        longer = type(self.structure)(max(int(lags.max(initial=0)) + 1, self.structure.p))
        return longer.autocorrelations(phi)[lags]


class DistanceTable(VisitTable):
    """Correlations by distances; code 0 is a row with itself, and code k + 1 the k-th distance.

    Parameters
    ----------
    kind : subclass of OverPositions
    distances : ndarray, shape (codes - 1,)
        Different distances.
    nugget : bool
        Whether a share of the variance belongs to each row alone.
    """

    def __init__(self, kind, distances, nugget: bool = False) -> None:
        positive = distances[distances > 0]
        unit = float(np.median(positive)) if len(positive) else 1.0
        super().__init__(kind(2, ((0.0,), (unit,))))
        self.distances, self.nugget, self.unit = distances / unit, nugget, unit
        self.codes, self.size = 1 + len(distances), self.size + nugget

    def _parts(self, phi):
        """φ of the structure, the share that is correlated, and its derivative."""
        if not self.nugget:
            return phi, 1.0, 0.0
        return phi[:-1], 0.5 * (1 - np.sin(phi[-1])), -0.5 * np.cos(phi[-1])

    @property
    def start(self) -> np.ndarray:
        own = self.structure.start_shape
        return np.append(own, np.arcsin(2 * NUGGET - 1)) if self.nugget else own

    def values(self, phi) -> np.ndarray:
        own, share, _ = self._parts(phi)
        return np.append(1.0, share * self.structure.values_at(self.distances, own))

    def slopes(self, phi) -> np.ndarray:
        own, share, move = self._parts(phi)
        lines = share * self.structure.slopes_at(self.distances, own)
        if self.nugget:
            lines = np.vstack([lines, move * self.structure.values_at(self.distances, own)])
        return np.column_stack([np.zeros(self.size), lines])

    def between(self, phi, a, b) -> np.ndarray:
        own, share, _ = self._parts(phi)
        apart = np.sqrt(((np.asarray(a, dtype=float) - np.asarray(b)) ** 2).sum(axis=-1))
        return share * self.structure.values_at(apart / self.unit, own)

    def rectified(self, phi) -> np.ndarray:
        if not self.nugget:
            return phi
        return np.append(phi[:-1], np.arcsin(np.sin(phi[-1])))

    @property
    def names(self) -> list[str]:
        return [*self.structure.angle_names, *["nugget_angle"] * self.nugget]

    @property
    def shapes(self) -> list[Shape]:
        return [*self.structure.shapes, *[Shape("nugget", 0.0, 1.0)] * self.nugget]

    def shape_values(self, phi) -> np.ndarray:
        own, share, _ = self._parts(phi)
        values = self.structure.shape_values(np.append(1.0, own))
        return np.append(values, 1 - share) if self.nugget else values

    def at_bound(self, phi, tol: float) -> bool:
        own, share, _ = self._parts(phi)
        return bool((share * self.structure.values_at(self.distances, own) > 1 - tol**2).all())


class Stacked:
    """A table for each stratum, one after the other.

    Parameters
    ----------
    tables : sequence of VisitTable
    labels : sequence of str
        Names of the strata.
    """

    def __init__(self, tables: Sequence[VisitTable], labels: Sequence[str]) -> None:
        self.tables, self.labels = list(tables), list(labels)
        stops = np.cumsum([0, *(t.size for t in self.tables)]).tolist()
        self._slices = [slice(a, b) for a, b in pairwise(stops)]
        self.size, self.codes = stops[-1], sum(t.codes for t in self.tables)

    def _each(self, method: str, phi) -> list:
        pairs = zip(self.tables, self._slices, strict=True)
        return [getattr(t, method)(phi[at]) for t, at in pairs]

    @property
    def start(self) -> np.ndarray:
        return np.concatenate([t.start for t in self.tables])

    def values(self, phi) -> np.ndarray:
        return np.concatenate(self._each("values", phi))

    def slopes(self, phi) -> np.ndarray:
        out, at = np.zeros((self.size, self.codes)), 0
        for lines, rows in zip(self._each("slopes", phi), self._slices, strict=True):
            out[rows, at : at + lines.shape[1]] = lines
            at += lines.shape[1]
        return out

    def of_stratum(self, k: int, phi) -> tuple[VisitTable, np.ndarray]:
        """The table of a stratum, and its φ."""
        return self.tables[k], phi[self._slices[k]]

    def rectified(self, phi) -> np.ndarray:
        return np.concatenate(self._each("rectified", phi))

    @property
    def names(self) -> list[str]:
        pairs = zip(self.tables, self.labels, strict=True)
        return [f"{name}[{label}]" for t, label in pairs for name in t.names]

    @property
    def shapes(self) -> list[Shape]:
        pairs = zip(self.tables, self.labels, strict=True)
        return [s._replace(name=f"{s.name}[{label}]") for t, label in pairs for s in t.shapes]

    def shape_values(self, phi) -> np.ndarray:
        return np.concatenate(self._each("shape_values", phi))

    def at_bound(self, phi, tol: float) -> bool:
        pairs = zip(self.tables, self._slices, strict=True)
        return any(t.at_bound(phi[at], tol) for t, at in pairs)


def correlations_of(kind: type[Structure], p: int):
    """The structure of p visits that has a kind's correlations."""
    from numbamm.structures.registry import make

    return make(kind.correlations_of or kind.names[0], p)
