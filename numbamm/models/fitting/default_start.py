"""`DefaultStart`: the start that a model chooses, distinguished from one that the user sets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class DefaultStart(NamedTuple):
    """The array that we put into ``optsum.initial``, and what it held.

    Attributes
    ----------
    array, values : ndarray or None
        If the user assigns a start, that is another array; if in place, it has other values.
    """

    array: np.ndarray | None = None
    values: np.ndarray | None = None

    @classmethod
    def put(cls, optsum, values) -> DefaultStart:
        """Let the search of `optsum` begin at these values."""
        optsum.initial = values
        return cls(optsum.initial, optsum.initial.copy())

    def is_in(self, optsum) -> bool:
        """Whether the search of `optsum` would begin where we have put it."""
        return optsum.initial is self.array and np.array_equal(self.array, self.values)
