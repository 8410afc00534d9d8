"""Sums of squares of columns, and an error where squares overflow or underflow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from numbamm.errors import DataError

#: Range of sums of squares without loss of digits, where products of two of them are finite, too.
SMALLEST, LARGEST = 1e-290, 1e290


def sums_of_squares(columns, name: Callable[[int], str], weights=None) -> np.ndarray:
    """Σ w x² of columns.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    name : callable
        Returns the name of column j for messages.
    weights : ndarray, shape (n,), optional

    Returns
    -------
    ndarray, shape (p,)

    Raises
    ------
    DataError
        A column that is not zero has squares that do not fit into float64.
    """
    if weights is None:
        squares = np.einsum("ij,ij->j", columns, columns)
    else:
        squares = np.einsum("i,ij,ij->j", weights, columns, columns)
    for j, square in enumerate(squares.tolist()):
        if not SMALLEST <= square <= LARGEST:
            size = float(np.abs(columns[:, j]).max(initial=0.0))
            if size > 0.0:
                raise DataError(
                    f"{name(j)} has values of the size {size:.1g}, whose squares"
                    f"{'' if weights is None else ', times the weights,'} do not fit into double "
                    "precision: give it in other units"
                )
    return squares
