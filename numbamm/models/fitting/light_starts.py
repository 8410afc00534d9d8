"""Where the default search of a light linear model begins: in valleys, and near what it found.

A lattice of scales shows most valleys at the price of some twenty evaluations; see
`optimize.valleys`. It passes over some optima off the boundary in favour of one at it, and where
there are few rows, over others as well: then searches begin also where one scale is much larger
than the others, and where all are larger than at the best end.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from numbamm.models.spaces.coordinates import Coordinates
from numbamm.optimize.auto import FEW
from numbamm.optimize.valleys import FINE_SCALES, SCALES, valleys

#: A scale that is smaller in shares of the largest counts as zero, where a search ended.
SINGULAR = 1e-3
#: Equal scales of further starts, with more parameters than a search by differences takes.
OTHER_STARTS = (0.1, 1.0, 10.0)
#: Up to so many rows several minima are so common that searches begin in more places; and up to so
#: many with several terms, some of columns that are correlated, if the best end is singular. In
#: one more, of equal scales, with three or more.
TINY, SMALL = 50, 100
#: From these scales on, lower objectives at larger scales are rounding errors: then the others are
#: in shares of a smaller one.
STEEP, SMALLER = 1e3, 0.1
#: In shares of the largest scale at the best end: all scales of such starts, or one and the others.
ALL, ONE, OTHERS = (0.3, 3.0, 10.0, 100.0), 3.0, 0.03
#: The same where the scales of one term are larger than those of the others.
ONE_TERM = 0.3
#: What stands off the diagonal of S for columns that vary together, or against each other.
CORRELATED = 0.9


class LightStarts:
    """Starts of a search, as `optimize.minimize` asks for them.

    Parameters
    ----------
    coordinates : Coordinates
        Of the scaled θ.
    rows : float
        Number of rows: searches begin in more places where these are few. Infinite where that is
        not worth while.
    """

    def __init__(self, coordinates: Coordinates, rows: float) -> None:
        self._coordinates, self.rows = coordinates, rows
        self._is_scale = coordinates.is_scale
        self._nscale = int(self._is_scale.sum())

    def first(self, evaluate: Callable[[np.ndarray], float]) -> list[np.ndarray]:
        """A θ in every valley that a lattice of scales shows."""
        fine = self._nscale == 1 and self.rows <= TINY  # there are no further starts
        found = valleys(
            lambda scales: evaluate(self._theta(scales)),
            self._nscale,
            FINE_SCALES if fine else SCALES,
        )
        if len(self._is_scale) > FEW:  # what differs in correlations lies in one valley of scales
            found += [[scale] * self._nscale for scale in OTHER_STARTS]
        return [self._theta(scales) for scales in found]

    def further(self, end: np.ndarray) -> list[np.ndarray]:
        """More, given the best θ at which searches from there ended."""
        if len(self._is_scale) == 1:
            return []
        largest, least = self._coordinates.extremes(end)
        singular, largest = least <= SINGULAR * largest, largest or 1.0
        starts = [self._theta(largest)] if singular else []
        if self._nscale > 2 and self.rows <= SMALL:
            starts.append(self._theta(1.0))
        terms = self._coordinates.terms
        correlated = not self._is_scale.all()
        entangled = correlated and len(terms) > 1 and self.rows <= SMALL
        size = largest if largest < STEEP else SMALLER * largest
        if entangled or (correlated and self.rows <= TINY):
            starts += [self._theta(size, sign * CORRELATED * size) for sign in (-1, 1)]
        if self.rows <= TINY or (entangled and singular):
            equal = [factor * size for factor in ALL]
            starts += [self._theta(scale) for scale in equal if scale <= max(STEEP, largest)]
            alone = np.where(np.eye(self._nscale, dtype=bool), ONE, OTHERS)
            if entangled and singular:
                alone = np.concatenate([alone, np.where(terms, ONE_TERM, OTHERS)])
            starts += [self._theta(scales) for scales in alone * size]
            if singular:
                starts.append(self._filled(end, largest))
        return starts

    def _filled(self, end: np.ndarray, largest: float) -> np.ndarray:
        """The end with large scales in the place of zeros."""
        x = self._coordinates.of(end)
        x[self._is_scale & (np.abs(x) <= SINGULAR * largest)] = ONE * largest
        return self._coordinates.theta(x)

    def _theta(self, scales, others: float = 0.0) -> np.ndarray:
        """θ of scales, all alike or each its own, and the other coordinates, all alike."""
        x = np.full(len(self._is_scale), others)
        x[self._is_scale] = scales
        return self._coordinates.theta(x)
