"""Distributions of counts that are known by their probabilities: sums, quantiles and draws."""

from __future__ import annotations

import numpy as np

#: A sum ends when the probability that is left is below this, or that of a count past the median is
#: below `RARE`, and no later than at `MOST`.
LEFT, RARE, MOST = 1e-13, 1e-18, 10_000_000


def cdf(log_pmf, y, first: int = 0) -> np.ndarray:
    """F(y) of each row.

    Parameters
    ----------
    log_pmf : callable
        The log-probabilities of a count, of all rows at once.
    y : ndarray, shape (n,)
    first : int
        The least count.
    """
    total = np.zeros(len(y))
    for k in range(first, int(max(np.max(y, initial=-1.0), -1.0)) + 1):
        with np.errstate(all="ignore"):
            p = np.exp(log_pmf(float(k)))
        total += np.where(k <= y, np.nan_to_num(p), 0.0)
    return np.minimum(total, 1.0)


def quantile(log_pmf, p, first: int = 0) -> np.ndarray:
    """The least count with F ≥ p, of each row."""
    n = len(p)
    found, total = np.full(n, np.nan), np.zeros(n)
    for k in range(first, MOST):
        with np.errstate(all="ignore"):
            mass = np.nan_to_num(np.exp(log_pmf(float(k))))
        total += mass
        now = np.isnan(found) & (total >= p)
        found[now] = k
        if not np.isnan(found).any():
            break
        ended = np.isnan(found) & ((total > 1.0 - LEFT) | ((total > 0.5) & (mass < RARE)))
        found[ended] = k
    return found


def moments(log_pmf, shape, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each row, by summation."""
    total, mean, square = (np.zeros(shape) for _ in range(3))
    for k in range(first, MOST):
        with np.errstate(all="ignore"):
            p = np.nan_to_num(np.exp(log_pmf(float(k))))
        total += p
        mean += k * p
        square += float(k) * k * p
        if (
            k > first + 10
            and ((total > 1.0 - LEFT) | ((total > 0.5) & (p < RARE))).all()
            and (k * k * p < LEFT * (1.0 + square)).all()
        ):
            break
    mean /= total
    return mean, square / total - mean**2
