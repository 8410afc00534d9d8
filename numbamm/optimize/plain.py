"""Values as strict JSON can hold them, and back: no arrays, no NaN, no infinity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """`value` out of lists, numbers, strings and None; ``"nan"`` and ``"-inf"`` are strings."""
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def numeric(value: Any) -> Any:
    """The inverse of `plain` for numbers and lists of numbers, at any depth.

    Raises
    ------
    ValueError
        A string is not a number.
    """
    if isinstance(value, list):
        return [numeric(v) for v in value]
    return float(value) if isinstance(value, str) else value
