"""`Certificate`: whether a search that ended at a singular point is at a local minimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Certificates above count as not negative: rounding, and that a search without derivatives ends
#: only near a stationary point.
LEAST_OF_MINIMUM = -1e-5


def is_minimum(value: float) -> bool:
    """Whether a certificate's value is that of a local minimum."""
    return value >= LEAST_OF_MINIMUM


@dataclass(frozen=True)
class Certificate:
    """Judgement of a singular point by second-order conditions.

    Attributes
    ----------
    value : float
        Negative, beyond rounding, where the point is stationary, but no local minimum.
    whole : float
        Negative, too, where it is not stationary.
    escape : callable
        Function of a distance: the point at that distance in the direction in which the objective
        falls if `value` is negative.
    """

    value: float
    whole: float
    escape: Callable[[float], np.ndarray]
