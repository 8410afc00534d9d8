"""The parameters inside: those of columns of ordinary size, in which a model is fitted.

A search moves in them, and the gradient is found there; users see those of their own columns. See
`design.scaling`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def slopes_outward(inward: Callable[[np.ndarray], np.ndarray], x, slopes) -> np.ndarray:
    """The gradient in the user's parameters, from that in the parameters inside.

    Parameters
    ----------
    inward : callable
        The parameters inside of the user's.
    x : ndarray, shape (n,)
        The user's.
    slopes : ndarray, shape (n,)
        The gradient at ``inward(x)``.
    """
    moves = np.diag(1e-5 * np.maximum(np.abs(x), 0.1))
    by_each = [(inward(x + h) - inward(x - h)) / (2 * h.max()) for h in moves]
    return np.array(by_each) @ slopes
