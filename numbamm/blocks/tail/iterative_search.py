"""`IterativeSearch`: the root of the score of an iterative tail.

The score is an estimate, so that it is the exact gradient of no function, and a fit ends at its
root. The search is that of other tails, in the same trust region. Where that asks for an objective,
it gets the change along the last step by the trapezoid rule,

    f(x + s) - f(x) ≈ s'(g(x) + g(x + s))/2

which belongs to the root of g and needs no logarithm of a determinant. When the search has ended,
the number of probes is raised until the Monte-Carlo error is small, unless it was given.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.search.communication import FAILED, FBEST, LAST, PHASE
from numbamm.blocks.search.evaluation import CODE, DISTANCE, FEVAL
from numbamm.blocks.search.led import HAS_ESCAPED, LedSearch
from numbamm.blocks.tail import probes


class IterativeSearch(LedSearch):
    """A search over λ, one evaluation at a time; see `led.LedSearch`.

    Parameters
    ----------
    tail : IterativeTail
    theta, criterion, ftol_abs
        As for `led.LedSearch`.
    """

    def __init__(self, tail, theta, criterion, ftol_abs) -> None:
        super().__init__(tail, theta, criterion, ftol_abs, 0.0)
        self._ftol_abs = ftol_abs
        self._best: tuple | None = None  # x and the gradient there
        self._anchor: float | None = None  # what the search's values are differences from

    @property
    def fbest(self) -> float:
        return (self._anchor or 0.0) + float(self._state.numbers[FBEST])

    def end(self) -> np.ndarray | None:
        """Search as far as a last step, which is taken without an evaluation; None if that fails.

        Returns
        -------
        ndarray, shape (number of θ,)
        """
        while self.returnvalue is None:
            if self._state.counts[PHASE] == LAST and self._search.outcome[DISTANCE] == 0.0:
                return self._folded(self._state.x)
            self.step(1)
        failed = self._search.counts[CODE] == FAILED
        return None if failed else self._folded(self._state.best)

    def step(self, most: float) -> list[tuple[np.ndarray, float]]:
        x = self._state.x.copy()
        theta = self._folded(self._state.x)
        value, _ = self._tail.objective_gradient(theta, *self._criterion)
        f = self._value(x, value)
        after = self._anchor + f
        self._search.counts[FEVAL] += 1
        if self._search.outcome[DISTANCE] == 0.0 or self._ask(HAS_ESCAPED, f):
            folded = self._state.x.copy()
            slopes = self._slopes(folded)
            improved = self._best is None or f < self._state.numbers[FBEST]
            self._advance(theta, f)
            if improved:
                self._best = folded, slopes
        if self.returnvalue is not None:
            self._raise_probes()
        return [(theta, after)]

    def _slopes(self, x) -> np.ndarray:
        """2Nλ for all entries of λ that the search moves, at the latest gradient."""
        term, row, column, _ = self._search.entries
        given = np.array(self._tail.layout.order)[term]
        N, out = self._tail.normal_blocks(), np.empty(len(x))
        for t in range(len(x)):
            same = np.flatnonzero((term == term[t]) & (column == column[t]))
            out[t] = 2.0 * N[given[t]][row[t], row[same]] @ x[same]
        return out

    def _value(self, x, value: float) -> float:
        """The objective at x, less that at the start."""
        if not np.isfinite(value):
            return np.nan
        if self._best is None:
            self._anchor = value if self._anchor is None else self._anchor
            return 0.0
        before, slopes = self._best
        return float(self._state.numbers[FBEST] + (x - before) @ (slopes + self._slopes(x)) / 2)

    def _raise_probes(self) -> None:
        """Search on with more probes from where the search has ended, if they are too few."""
        tail = self._tail
        if tail.request.probes is not None or tail.probes >= probes.MOST:
            return
        theta = self._folded(self._state.best.copy())
        found = tail.monte_carlo(theta, *self._criterion)
        share = found.share * found.doubt
        if share <= probes.SHARE:
            return
        tail.raise_probes(probes.enough(tail.probes, share))
        feval, before = self._search.counts[FEVAL], self.fbest
        LedSearch.__init__(self, tail, theta, self._criterion, self._ftol_abs, 0.0)
        self._search.counts[FEVAL] = feval
        self._best, self._anchor = None, before  # values go on from the lowest
