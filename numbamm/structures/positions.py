"""`OverPositions`: correlations that are a function of the distance of points."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import solve_triangular

from numbamm.structures.patterned import Patterned, factor_of
from numbamm.structures.structure import Shape

#: A distance in units of the range at which nothing is left of any correlation.
FARTHEST = 1e6


@dataclass(frozen=True)
class OverPositions(Patterned):
    """Base: one standard deviation, and correlations f(d / range), φ = log(range / unit) first.

    The unit is the median distance of the points, so that φ is of ordinary size.

    Attributes
    ----------
    points : tuple of tuple of float
        The coordinates of each effect.
    in_groups : bool
        Whether the first coordinate is the number of a group, with whose points alone those of the
        group are correlated; points are then sorted by groups.
    """

    p: int
    points: tuple[tuple[float, ...], ...] = ()
    in_groups: bool = False
    over_positions: ClassVar = True
    reading: ClassVar = "distances"

    @property
    def nshape(self) -> int:
        return 1

    @abstractmethod
    def profile(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """f(x), x f'(x), and x (x f'(x))' of distances x in units of the range."""

    @cached_property
    def distances(self) -> np.ndarray:
        """Euclidean distances, shape (p, p)."""
        at = np.array(self.points, dtype=np.float64).reshape(self.p, -1)
        return self._distances_of(at, at)

    def _distances_of(self, a, b) -> np.ndarray:
        """Euclidean distances of the points in rows of a and b, infinite between groups."""
        if not self.in_groups:
            return _distances(a, b)
        return np.where(np.equal.outer(a[:, 0], b[:, 0]), _distances(a[:, 1:], b[:, 1:]), np.inf)

    @cached_property
    def unit(self) -> float:
        """The median distance of different points, of one group."""
        d = self.distances[np.tril_indices(self.p, -1)]
        d = d[np.isfinite(d)]
        return float(np.median(d)) if len(d) else 1.0

    @cached_property
    def entries(self) -> np.ndarray:
        found = super().entries
        row, column = np.divmod(found, self.p)
        return found[np.isfinite(self.distances[row, column])]

    @cached_property
    def _in_units(self) -> np.ndarray:
        return self.distances / self.unit

    def values_at(self, d, phi) -> np.ndarray:
        """Correlations at distances in units of `unit`, of any shape."""
        return self.profile(in_ranges(d, phi))[0]

    def slopes_at(self, d, phi) -> np.ndarray:
        """Their derivatives by φ, which come first."""
        return -self.profile(in_ranges(d, phi))[1][None]

    def correlation(self, phi) -> np.ndarray:
        return self.values_at(self._in_units, phi)

    def correlation_at(self, phi, distances) -> np.ndarray:
        """Correlations of effects that are so far from each other."""
        return self.values_at(distances / self.unit, phi)

    # ---- other points -----------------------------------------------------------------------

    def weights_at(self, theta, points) -> tuple[np.ndarray, np.ndarray]:
        """What the effects at these points say about those at m others: simple kriging.

        Parameters
        ----------
        theta : ndarray, shape (size,)
        points : ndarray, shape (m, number of coordinates)

        Returns
        -------
        W : ndarray, shape (m, p)
            Effects at the other points have the mean W b, given effects b.
        rest : ndarray, shape (m,)
            The variances that are left, relative to σ².

        References
        ----------
        Cressie, 1993, Statistics for Spatial Data, section 3.4.5.
        """
        L, half = self._known_from(theta, points)
        W = solve_triangular(L, half, lower=True, trans="T").T
        return W, theta[0] ** 2 * np.maximum(1.0 - (half**2).sum(axis=0), 0.0)

    def covariance_at(self, theta, points) -> np.ndarray:
        """Covariance of effects at other points, given those here; shape (m, m), relative to σ²."""
        half = self._known_from(theta, points)[1]
        C = self.correlation_at(theta[1:], self._distances_of(points, points))
        return theta[0] ** 2 * (C - half.T @ half)

    def _known_from(self, theta, points) -> tuple[np.ndarray, np.ndarray]:
        """The factor L of C, and L⁻¹c for the correlations c with effects at other points."""
        L = factor_of(self.correlation(theta[1:]))
        across = self.correlation_at(theta[1:], self._distances_of(np.array(self.points), points))
        return L, solve_triangular(L, across, lower=True)

    def correlation_slopes(self, phi) -> np.ndarray:
        return self.slopes_at(self._in_units, phi)

    def correlation_bend(self, phi, N) -> np.ndarray:
        return np.array([[(N * self.profile(in_ranges(self._in_units, phi))[2]).sum()]])

    #: Range at which searches begin, as a share of the median distance.
    START: ClassVar[float] = 0.5

    @property
    def start_shape(self) -> np.ndarray:
        return np.log([self.START])

    def shape_of(self, C) -> np.ndarray:
        """The φ by which f fits the known correlations best."""
        low = np.tril_indices(self.p, -1)
        target = C[low]
        known = np.isfinite(target)
        if not known.any():
            return self.start_shape

        def miss(phi: float) -> float:
            return float(((self.correlation(np.array([phi]))[low] - target)[known] ** 2).sum())

        phi = _least(miss, -8.0, 8.0)
        for _ in range(6):  # the rest of the digits, by Gauss–Newton
            rest = (self.correlation(np.array([phi]))[low] - target)[known]
            slope = self.correlation_slopes(np.array([phi]))[0][low][known]
            square = slope @ slope
            phi = phi - (slope @ rest) / square if square > 0 else phi
        return np.array([np.clip(phi, -8.0, 8.0)])

    @property
    def of_one_size(self) -> list[list[int]]:
        return []  # indicators of points are of ordinary size, however many there are

    def rectified_shape(self, phi) -> np.ndarray:
        return phi

    def bounds_met(self, theta, tol) -> list[str]:
        return super().bounds_met(theta, tol)[:1]  # the smoothness is at none

    def at_bound(self, phi, tol) -> bool:
        """Whether all points are as one: the range is so long that no distance counts."""
        return bool((self.correlation(phi) > 1 - tol**2).all())

    @property
    def shapes(self) -> list[Shape]:
        return [Shape("range", 0.0, np.inf)]

    def whole(self, cnames) -> str:
        """Names of the coordinates, which stand before those of a point."""
        return cnames[0].split("[")[0]

    @property
    def angle_names(self) -> list[str]:
        return ["log_range"]

    def shape_values(self, theta) -> np.ndarray:
        return self.unit * np.exp(np.asarray(theta)[..., 1:])

    def select(self, columns) -> OverPositions:
        return type(self)(len(columns), tuple(self.points[j] for j in columns), self.in_groups)

    def to_json(self) -> Any:
        options: dict[str, Any] = {"points": [list(point) for point in self.points]}
        return [self.names[0], options | ({"in_groups": True} if self.in_groups else {})]

    @classmethod
    def from_options(cls, p, options) -> OverPositions:
        return cls(p, tuple(map(tuple, options["points"])), options.get("in_groups", False))


def _distances(a, b) -> np.ndarray:
    """Euclidean distances of the points in rows of a and b."""
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))


def in_ranges(d, phi) -> np.ndarray:
    """Distances in units of the range, φ its logarithm; from some million on all are the same."""
    return np.minimum(d / np.exp(np.clip(phi[0], -50.0, 50.0)), FARTHEST)


def _least(f, low: float, high: float) -> float:
    """The minimum of a function on an interval: the lowest of a lattice, refined."""
    from scipy.optimize import minimize_scalar

    lattice = np.linspace(low, high, 33)
    k = int(np.argmin([f(x) for x in lattice]))
    ends = lattice[max(k - 1, 0)], lattice[min(k + 1, 32)]
    return float(minimize_scalar(f, bounds=ends, method="bounded", options={"xatol": 1e-6}).x)
