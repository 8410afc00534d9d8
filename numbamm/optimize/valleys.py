"""Where searches should begin: the lowest points of a coarse lattice of scales.

Small designs have more than one optimum in one case of a hundred, tens of units apart, and a search
ends in the one whose valley its start lies in. A lattice of scales, from none to large by factors
of four, shows the valleys at the price of some twenty evaluations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Scales of the lattice, in columns of size one; and of one that is finer where most optima are.
SCALES = [0.0, *(0.125 * 4.0**k for k in range(16))]
FINE_SCALES = sorted([*SCALES, 0.25, 1.0])
#: Descents begin where all scales are the same, these of the lattice.
SEEDS = (0.5, 2.0, 0.125, 8.0, 0.0, 32.0)


def valleys(
    f: Callable[[list[float]], float], n: int, of_each: list[float] = SCALES
) -> list[list[float]]:
    """The points of the lattice than which no neighbour is lower, the lowest first.

    Those that are found by descents, one scale at a time, from points where all are the same. Each
    is then moved to where a parabola in the logarithm of each scale, through its neighbours, has
    its minimum, if that is lower.

    Parameters
    ----------
    f : callable
        The objective of n scales; not finite where it does not exist.
    n : int
    of_each : list of float
        The lattice's scales in each coordinate, among them those where descents begin.
    """
    lattice, found = _Lattice(f, of_each), []
    for seed in SEEDS:
        index = lattice.descend((of_each.index(seed),) * n)
        if index is None or not lattice.value(index) < np.inf:
            continue
        low, scales = lattice.value(index), lattice.scales(index)
        moved = [lattice.parabola(index, d) for d in range(n)]
        if moved != scales and (there := f(moved)) < low:
            low, scales = there, moved
        found.append((low, scales))
    return [scales for _, scales in sorted(found)]


class _Lattice:
    """The objective at points of the lattice, each evaluated once."""

    def __init__(self, f, of_each: list[float]) -> None:
        self._f, self._of_each, self._known, self._passed = f, of_each, {}, set()

    def scales(self, index: tuple[int, ...]) -> list[float]:
        return [self._of_each[i] for i in index]

    def value(self, index: tuple[int, ...]) -> float:
        f = self._known.get(index)
        if f is None:
            f = self._f(self.scales(index))
            self._known[index] = f = f if abs(f) < np.inf else np.inf
        return f

    def descend(self, index: tuple[int, ...]) -> tuple[int, ...] | None:
        """Downhill from a point as far as it goes; None where another descent has passed."""
        here, moved = self.value(index), True
        while moved:
            if index in self._passed:
                return None
            self._passed.add(index)
            moved = False
            for d in range(len(index)):
                for near in self._neighbours(index, d):
                    if (f := self.value(near)) < here:
                        index, here, moved = near, f, True
                        break
        return index

    def _neighbours(self, index: tuple[int, ...], d: int) -> list[tuple[int, ...]]:
        head, i, tail = index[:d], index[d], index[d + 1 :]
        return [(*head, j, *tail) for j in (i - 1, i + 1) if 0 <= j < len(self._of_each)]

    def parabola(self, index: tuple[int, ...], d: int) -> float:
        """The scale in coordinate d at which a parabola in its logarithm is least."""
        scale = self._of_each[index[d]]
        if not 1 < index[d] < len(self._of_each) - 1:  # zero has no logarithm
            return scale
        low, high = (self.value(near) for near in self._neighbours(index, d))
        curvature = low - 2 * self.value(index) + high
        before, after = scale / self._of_each[index[d] - 1], self._of_each[index[d] + 1] / scale
        if not 0 < curvature < np.inf or before != after:
            return scale
        return scale * after ** (0.5 * (low - high) / curvature)
