"""`StructuredStarts`: where searches begin if λ has a structure and may take over the residuals.

With as many random effects as rows, structure and residuals compete for the same variance: the
objective may have a minimum where correlations are at a bound and one where σ is nearly zero. So
after one of them the other is looked for.
Other minima differ in the signs of correlations. From the usual start the lowest is found more
often than from others, so that it is tried where the user has set one, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Standard deviations, in units of σ and for columns of size one, of starts after a singular fit,
#: and after one whose standard deviations are as large as that.
LARGE, SMALL = 30.0, (0.1, 0.3, 3.0)
#: What counts as zero in columns of size one.
SINGULAR = 1e-3


class StructuredStarts:
    """Starts of a search, as `optimize.minimize` asks for them: others after some ends.

    Parameters
    ----------
    scaled : ScaledTerms
    start : ndarray, shape (number of θ,)
        The first start, scaled θ.
    other : ndarray, shape (number of θ,), optional
        The second one in any case.
    """

    def __init__(self, scaled, start: np.ndarray, other: np.ndarray | None = None) -> None:
        self._scaled, self._start, self._other = scaled, start, other
        self._untried = {LARGE, *SMALL} if other is None else set()

    def first(self, evaluate: Callable[[np.ndarray], float]) -> list[np.ndarray]:
        """The one start."""
        return [self._start]

    def further(self, end: np.ndarray) -> list[np.ndarray]:
        """The other start; else standard deviations far from those of the end."""
        if self._other is not None:
            other, self._other = self._other, None
            return [other]
        asked = set()
        if self._scaled.is_deficient(end, SINGULAR):
            asked.add(LARGE)
        if self._scaled.largest_sd(end) >= LARGE:
            asked.update(SMALL)
        asked &= self._untried
        self._untried -= asked
        return [self._scaled.of_one_sd(sd) for sd in sorted(asked)]
