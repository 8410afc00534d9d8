"""Derivatives by central differences, for objectives without noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def slopes(f: Callable[[np.ndarray], float], x: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The gradient of f at x, in 2n evaluations; the arguments are those of `hessian`."""
    axes = zip(np.diag(step), step, strict=True)
    return np.array([(f(x + h) - f(x - h)) / (2 * half) for h, half in axes])


def hessian(f: Callable[[np.ndarray], float], x: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The Hessian of f at x, in 1 + 2n² evaluations.

    Parameters
    ----------
    f : callable
        Function of an array of shape (n,).
    x : ndarray, shape (n,)
    step : ndarray, shape (n,)
        Half-width of the differences, about a hundredth of the scale on which f curves.

    Returns
    -------
    ndarray, shape (n, n)
    """
    n, at = len(x), np.diag(step)
    out, centre = np.empty((n, n)), f(x)
    for i in range(n):
        out[i, i] = (f(x + at[i]) - 2 * centre + f(x - at[i])) / step[i] ** 2
        for j in range(i):
            cross = f(x + at[i] + at[j]) - f(x + at[i] - at[j])
            cross -= f(x - at[i] + at[j]) - f(x - at[i] - at[j])
            out[i, j] = out[j, i] = cross / (4 * step[i] * step[j])
    return out


def jacobian(
    gradient: Callable[[np.ndarray], np.ndarray], x: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """The Hessian of a function at x from its gradient, in 2n evaluations of that.

    Parameters
    ----------
    gradient : callable
        Function of an array of shape (n,), of that shape.
    x : ndarray, shape (n,)
    step : ndarray, shape (n,)
        Half-width of the differences.

    Returns
    -------
    ndarray, shape (n, n)
        Symmetric.
    """
    axes = zip(np.diag(step), step, strict=True)
    rows = np.array([(gradient(x + h) - gradient(x - h)) / (2 * half) for h, half in axes])
    return (rows + rows.T) / 2
