"""Standard deviations of rows relative to σ, as functions of φ: log d is a sum of parts."""

from __future__ import annotations

import numpy as np


class LogLinear:
    """log d = offset + Wφ.

    Parameters
    ----------
    W : ndarray, shape (n, size)
    offset : ndarray, shape (n,), optional
    """

    def __init__(self, W, offset=None) -> None:
        self.W = np.ascontiguousarray(W, dtype=np.float64)
        self.size, self.offset = self.W.shape[1], offset

    def values(self, phi) -> np.ndarray:
        """log d, shape (n,)."""
        own = self.W @ phi
        return own if self.offset is None else own + self.offset

    def slopes(self, phi) -> np.ndarray:
        """Derivatives of log d by φ, shape (size, n)."""
        return self.W.T

    def take(self, rows) -> LogLinear:
        """The same for some rows, in another order."""
        return LogLinear(self.W[rows], None if self.offset is None else self.offset[rows])


class Scales:
    """Parts whose log d add up.

    Parameters
    ----------
    parts : list
        Each like `LogLinear`.
    n : int
        Number of rows.
    """

    def __init__(self, parts, n: int) -> None:
        self.parts, self.n = list(parts), n
        self.size = sum(part.size for part in self.parts)

    def _split(self, phi):
        stops = np.cumsum([part.size for part in self.parts])
        return zip(self.parts, np.split(phi, stops[:-1]) if self.parts else [], strict=True)

    def values(self, phi) -> np.ndarray:
        """log d, shape (n,)."""
        return sum((part.values(own) for part, own in self._split(phi)), np.zeros(self.n))

    def slopes(self, phi) -> np.ndarray:
        """Derivatives of log d by φ, shape (size, n)."""
        lines = [part.slopes(own) for part, own in self._split(phi)]
        return np.concatenate(lines) if lines else np.zeros((0, self.n))

    def take(self, rows) -> Scales:
        """The same for some rows, in another order."""
        return Scales([part.take(rows) for part in self.parts], len(rows))
