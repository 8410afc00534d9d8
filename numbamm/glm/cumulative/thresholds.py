"""Structures of thresholds: α = T a, with few parameters a for the K - 1 thresholds α.

As in the R package ordinal (Christensen), whose names of parameters these are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Names of the structures.
STRUCTURES = ("flexible", "symmetric", "equidistant")


def threshold_matrix(structure: str, count: int) -> np.ndarray:
    """T, shape (number of thresholds, number of parameters).

    Parameters
    ----------
    structure : {"flexible", "symmetric", "equidistant"}
        Each threshold by itself; distances symmetric about the middle, by its one or two central
        thresholds and spacings from them; or equal distances.
    count : int
        The number of thresholds.
    """
    if structure == "flexible" or count == 1:
        return np.eye(count)
    place = np.arange(count, dtype=float)
    if structure == "equidistant":
        return np.column_stack([np.ones(count), place])
    half = (count - 1) // 2
    spacings = np.arange(1, half + 1)
    if count % 2:
        away = place - half
        signs = np.sign(away)[:, None] * (np.abs(away)[:, None] == spacings)
        return np.column_stack([np.ones(count), signs])
    below = half - place  # distance below the lower central one; the upper one is at half + 1
    above = place - half - 1
    signs = (above[:, None] == spacings) * 1.0 - (below[:, None] == spacings)
    central = np.column_stack([place <= half, place > half])
    return np.column_stack([central, signs])


def threshold_names(structure: str, categories: Sequence) -> list[str]:
    """Names of the parameters a, such as ``low|middle``."""
    count = len(categories) - 1
    if structure == "flexible" or count == 1:
        return [f"{categories[k]}|{categories[k + 1]}" for k in range(count)]
    if structure == "equidistant":
        return ["threshold.1", "spacing"]
    centre = ["central"] if count % 2 else ["central.1", "central.2"]
    return [*centre, *(f"spacing.{k}" for k in range(1, (count - 1) // 2 + 1))]


def shift(structure: str, count: int) -> np.ndarray:
    """The a by which all thresholds move by one, shape (number of parameters,)."""
    T = threshold_matrix(structure, count)
    return np.linalg.lstsq(T, np.ones(count), rcond=None)[0].round(12)
