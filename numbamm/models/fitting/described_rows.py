"""`described`: which rows these are, in words."""

from __future__ import annotations

from itertools import combinations

import numpy as np

#: Rows are described by cells of so many factors, and by so many cells or positions, at most.
MOST_FACTORS, FEW = 3, 6


def described(frame, rows) -> str:
    """Which rows these are: cells of the fixed effects' factors, or else positions in the data."""
    factors = [name for name in frame.design.coding.levels if name in frame.columns]
    for size in range(1, 1 + min(len(factors), MOST_FACTORS)):
        for some in combinations(factors, size):
            labels = np.array([frame.columns[name].astype(str) for name in some])
            cells = {tuple(cell) for cell in labels[:, rows].T}
            if cells.isdisjoint(tuple(cell) for cell in labels[:, ~rows].T):
                shown = [
                    "×".join(map("=".join, zip(some, cell, strict=True))) for cell in sorted(cells)
                ]
                more = f" and {len(shown) - FEW} more" if len(shown) > FEW else ""
                return f" (all rows of {', '.join(shown[:FEW])}{more})"
    shown = ", ".join(map(str, frame.rows[rows][:FEW]))
    return f" ({rows.sum()} rows: {shown}{' ...' if rows.sum() > FEW else ''})"
