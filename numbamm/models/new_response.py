"""A new response for the rows of a model."""

from __future__ import annotations

import numpy as np

from numbamm.errors import DataError


def checked_response(frame, y) -> np.ndarray:
    """A response for the rows that are used, from values for these or for all rows.

    Parameters
    ----------
    frame : ModelFrame
    y : array-like
        A pandas Series is matched to the data by its index.

    Returns
    -------
    ndarray of float64, shape (rows used,)

    Raises
    ------
    DataError
        It is not numeric, not finite, or of other rows.
    """
    used = len(frame.y)
    y = _by_index(frame.index, y)
    try:
        y = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"the new response is not numeric: {error}") from error
    if y.shape == (frame.nrows,):
        y = y[frame.rows]
    if y.shape != (used,):
        raise DataError(
            f"the new response has shape {y.shape}; expected {used} values, one a row "
            f"used, or {frame.nrows}, one a row of the data"
        )
    if not np.isfinite(y).all():
        bad = frame.rows[~np.isfinite(y)][:5].tolist()
        raise DataError(f"the new response is missing or infinite in rows {bad}")
    return y


def _by_index(index, y):
    """A Series in the order of the data's rows; anything else as it is."""
    own = getattr(y, "index", None)
    if index is None or not hasattr(own, "equals") or own.equals(index):
        return y
    if not (own.is_unique and index.is_unique and len(own.symmetric_difference(index)) == 0):
        raise DataError(
            "the new response's index is not that of the data; give an array to go by position"
        )
    return y.reindex(index)
