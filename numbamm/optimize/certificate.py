"""`Certificate`: whether a search that ended at a singular point is at a local minimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Certificate:
    """Judgement of a singular point by second-order conditions.

    Attributes
    ----------
    value : float
        Negative, beyond rounding, where the point is stationary, but no local minimum.
    whole : float
        Negative, too, where it is not stationary.
    aside : callable
        Function of a distance: parameters in the direction in which the objective falls then.
    """

    value: float
    whole: float
    aside: Callable[[float], np.ndarray]
