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
    from numbamm.formula.columns import by_index  # pandas takes long to import

    used = len(frame.y)
    y = by_index(frame.index, y, "the new response")
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
