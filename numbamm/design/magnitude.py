"""Numbers so large or so small that their squares are infinite, or nothing."""

from __future__ import annotations

import numpy as np

from numbamm.errors import DataError

#: Sums of squares between these lose no digits, and leave room for products of two of them.
SMALLEST, LARGEST = 1e-290, 1e290


def sums_of_squares(columns, names, weights=None) -> np.ndarray:
    """Σ w x² of columns.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    names : list of str
        What to call the columns in a message.
    weights : ndarray, shape (n,), optional

    Returns
    -------
    ndarray, shape (p,)

    Raises
    ------
    DataError
        A column that is not zero has squares that do not fit into float64.
    """
    with np.errstate(over="ignore", under="ignore"):
        if weights is None:
            squares = np.einsum("ij,ij->j", columns, columns)
        else:
            squares = weights @ columns**2
    for j in np.flatnonzero(~((squares >= SMALLEST) & (squares <= LARGEST))):
        size = float(np.abs(columns[:, j]).max(initial=0.0))
        if size > 0.0:
            raise DataError(
                f"{names[j]} has values of the size {size:.1g}, whose squares"
                f"{'' if weights is None else ', times the weights,'} do not fit into double "
                "precision: give it in other units"
            )
    return squares
