"""`ResidualStarts`: further starts of a search whose end is at the edge of what residuals can be.

Random effects and residuals compete for the same variance. The criterion may have a minimum where
random effects are zero, one where correlations of residuals are at a bound or the standard
deviation of a stratum is zero, and one between. So after an end at an edge others are looked for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Standard deviations of effects in columns of size one, over that of a typical row, of further
#: starts.
OTHERS = (0.3, 3.0)
#: What counts as zero in columns of size one.
SINGULAR = 1e-3


class ResidualStarts:
    """Starts of a search, as `optimize.minimize` asks for them: others after ends at an edge.

    Parameters
    ----------
    space : ResidualSpace
    start : ndarray
        Coordinates of the first start.
    usual : ndarray, optional
        Those of the default start, if the first one is another.
    """

    def __init__(self, space, start, usual=None) -> None:
        self._space, self._start, self._usual = space, start, usual
        self._tried = False

    def first(self, evaluate: Callable[[np.ndarray], float]) -> list[np.ndarray]:
        """The one start."""
        return [self._start]

    def further(self, end: np.ndarray) -> list[np.ndarray]:
        """Small and large random effects beside the residuals of the start."""
        space = self._space
        phi, theta = space.split(end)
        at_edge = space.scaled.is_deficient(theta, SINGULAR) or space.side.is_at_edge(phi)
        if self._tried or not at_edge:
            return []
        self._tried = True
        own = space.side.start
        others = [np.concatenate([own, space.scaled.of_one_sd(sd)]) for sd in OTHERS]
        return others if self._usual is None else [self._usual, *others]
