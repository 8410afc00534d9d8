"""`beyond`: the probability that any of several correlated t statistics is large.

With T = R A u, where AA' is the correlation matrix of rank r, u is uniform on the sphere of r
dimensions and R²/r has the F distribution of r and df degrees of freedom,

    P(|T_i| > c for some i) = E_u P(R > min_i c / |a_i'u|).

The expectation is an average over directions of a Sobol sequence; the inner probability is exact,
so that small probabilities are as precise as large ones, and a singular correlation matrix, as that
of all pairs, is no special case.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

#: Eigenvalues of a correlation matrix below this are zero.
ZERO = 1e-10
#: Number of directions, a power of two.
DIRECTIONS = 2**16


def beyond(limits, correlation, df: float) -> np.ndarray:
    """P(max_i |T_i| > c) for each limit c.

    Parameters
    ----------
    limits : ndarray, shape (m,)
    correlation : ndarray, shape (k, k)
        May be singular.
    df : float
        Degrees of freedom; infinite for normal statistics.

    Returns
    -------
    ndarray, shape (m,)
    """
    largest, r = _largest(np.asarray(correlation, dtype=np.float64))
    limits = np.atleast_1d(np.abs(np.asarray(limits, dtype=np.float64)))
    return np.array([_radius_beyond(c / largest, r, df).mean() for c in limits])


def quantile(alpha: float, correlation, df: float) -> float:
    """The c with P(max_i |T_i| > c) = alpha."""
    from scipy.optimize import brentq
    from scipy.stats import t

    k = len(correlation)
    low, high = t.ppf(1 - alpha / 2, df), t.ppf(1 - alpha / (2 * k), df)
    if k == 1 or high - low < 1e-12:
        return float(low)
    largest, r = _largest(np.asarray(correlation, dtype=np.float64))

    def excess(c):
        return _radius_beyond(c / largest, r, df).mean() - alpha

    if excess(low) <= 0:  # all statistics are one
        return float(low)
    return float(brentq(excess, low, high * 1.01, xtol=1e-8))


def _largest(correlation) -> tuple[np.ndarray, int]:
    """max_i |a_i'u| for each direction u, and the rank r."""
    values, vectors = np.linalg.eigh(correlation)
    kept = values > ZERO * values[-1]
    A = vectors[:, kept] * np.sqrt(values[kept])
    directions = _directions(A.shape[1])
    largest = np.zeros(len(directions))
    for row in A:
        np.maximum(largest, np.abs(directions @ row), out=largest)
    return largest, A.shape[1]


@lru_cache(maxsize=8)
def _directions(r: int) -> np.ndarray:
    """Directions all over the sphere of r dimensions, or half of it, shape (directions, r)."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    if r == 1:
        return np.ones((1, 1))
    if r == 2:
        angle = (np.arange(DIRECTIONS) + 0.5) * np.pi / DIRECTIONS
        return np.column_stack([np.cos(angle), np.sin(angle)])
    if r == 3:  # Fibonacci's lattice
        height = (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
        angle = np.arange(DIRECTIONS) * np.pi * (3 - np.sqrt(5))
        width = np.sqrt(1 - height**2)
        return np.column_stack([width * np.cos(angle), width * np.sin(angle), height])
    points = qmc.Sobol(r, rng=np.random.default_rng(0)).random(DIRECTIONS)
    z = ndtri(np.clip(points, 1e-16, 1 - 1e-16))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def _radius_beyond(c, r: int, df: float) -> np.ndarray:
    """P(R > c), where R² is χ² of r degrees of freedom, or r times F of r and df."""
    from scipy.special import betainc, gammaincc

    if np.isinf(df):
        return gammaincc(r / 2, c**2 / 2)
    return betainc(df / 2, r / 2, df / (df + c**2))
