"""A number for each row of several columns, that of equal rows being equal."""

from __future__ import annotations

import numpy as np
import pandas as pd


def row_hashes(columns) -> np.ndarray:
    """Hashes of the rows: uint64, shape (n,).

    Parameters
    ----------
    columns : sequence of ndarray, shape (n,)
    """
    total = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        total = total * np.uint64(0x9E3779B97F4A7C15) + pd.util.hash_array(np.asarray(column))
    return total
