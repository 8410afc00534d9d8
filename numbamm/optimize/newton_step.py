"""`newton_step`: how far a point is from the minimum, by its gradient and Hessian."""

from __future__ import annotations

import numpy as np

#: Eigenvalues below this share of the largest are zero, to the differences' rounding.
FLAT = 1e-5


def newton_step(slopes, curvature) -> tuple[float, float, float, bool]:
    """What a Newton step from here would do.

    Parameters
    ----------
    slopes : ndarray, shape (n,)
    curvature : ndarray, shape (n, n)

    Returns
    -------
    largest : float
        The largest slope along a principal direction, over the root of the curvature there.
    gain : float
        By how much the step would lower the objective.
    condition : float
        Ratio of the largest and the smallest eigenvalue, for a diagonal of ones; infinite where
        the curvature is not positive definite.
    falls : bool
        Whether it is negative in some direction.

    All are NaN, and the last is False, where a number is.
    """
    if not len(slopes):
        return 0.0, 0.0, 1.0, False
    if not (np.isfinite(slopes).all() and np.isfinite(curvature).all()):
        return np.nan, np.nan, np.nan, False
    size = np.sqrt(np.where(np.diag(curvature) > 0, np.diag(curvature), 1.0))
    values, vectors = np.linalg.eigh(curvature / np.outer(size, size))
    flat = FLAT * np.abs(values).max()
    rising = values > flat
    along = (vectors.T @ (slopes / size))[rising] / np.sqrt(values[rising])
    condition = float(values[-1] / values[0]) if rising.all() else np.inf
    gain = float(along @ along) / 2
    return float(np.abs(along).max(initial=0.0)), gain, condition, bool((values < -flat).any())
