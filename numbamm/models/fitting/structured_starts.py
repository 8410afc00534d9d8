"""`StructuredStarts`: where searches begin if λ has a structure and may take over the residuals.

With as many random effects as rows, structure and residuals compete for the same variance: the
objective may have a minimum where correlations are at a bound and one where σ is nearly zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Standard deviations, in units of σ and for columns of size one, of the second start.
LARGE = 30.0
#: What counts as zero in columns of size one.
SINGULAR = 1e-3


class StructuredStarts:
    """Starts of a search, as `optimize.minimize` asks for them: a second one after a singular fit.

    Parameters
    ----------
    scaled : ScaledTerms
    start : ndarray, shape (number of θ,)
        The first start, scaled θ.
    """

    def __init__(self, scaled, start: np.ndarray) -> None:
        self._scaled, self._start, self._tried = scaled, start, False

    def first(self, evaluate: Callable[[np.ndarray], float]) -> list[np.ndarray]:
        """The one start."""
        return [self._start]

    def further(self, end: np.ndarray) -> list[np.ndarray]:
        """Large standard deviations beside the shapes of the start, after a singular fit."""
        if self._tried or not self._scaled.is_deficient(end, SINGULAR):
            return []
        self._tried = True
        return [self._scaled.of_one_sd(LARGE)]
