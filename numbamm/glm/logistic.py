"""Exponential and logarithm for the logistic distribution, by arithmetic without branches.

Without branches, loops over rows are vectorised.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import FUSE, jit

_LARGEST = 700.0  # beyond it exp(-x) comes close to underflow

_LOG2_E = 1.0 / math.log(2.0)
# log 2 in two parts, the first with so few bits that a multiple of it is exact.
_LOG_2, _LOG_2_REST = 0.693147180369123816490, 1.90821492927058770002e-10

# Taylor's coefficients of exp, and of artanh in odd powers.
_E2, _E3, _E4, _E5, _E6, _E7, _E8, _E9, _E10, _E11, _E12, _E13 = (
    1.0 / math.factorial(k) for k in range(2, 14)
)
_A3, _A5, _A7, _A9, _A11, _A13, _A15, _A17 = (1.0 / k for k in range(3, 18, 2))
_A19, _A21, _A23, _A25, _A27, _A29, _A31, _A33 = (1.0 / k for k in range(19, 34, 2))


def entropies(y) -> np.ndarray:
    """y log y + (1 - y) log(1 - y): the log-density of a perfect fit, shape (n,)."""
    within = (y > 0) & (y < 1)
    p = np.where(within, y, 0.5)
    return np.where(within, p * np.log(p) + (1 - p) * np.log1p(-p), 0.0)


@jit(entry=False, fastmath=FUSE)
def exp_minus(x):
    """exp(-x) for x ≥ 0: 2^k times the exponential of the remainder, by its series."""
    x = -min(x, _LARGEST)
    k = math.floor(x * _LOG2_E + 0.5) if x == x else 0.0
    r = (x - k * _LOG_2) - k * _LOG_2_REST
    s = r * (r * (r * (r * (r * _E13 + _E12) + _E11) + _E10) + _E9)
    s = r * (r * (r * (r * (r * (r * (s + _E8) + _E7) + _E6) + _E5) + _E4) + _E3)
    power = np.int64((np.int64(k) + 1023) << 52).view(np.float64)
    return power * (r * (r * (s + _E2) + 1.0) + 1.0)


@jit(entry=False, fastmath=FUSE)
def log1p_unit(x):
    """log(1 + x) for 0 ≤ x ≤ 1: twice artanh(x / (2 + x)), whose argument is at most 1/3."""
    a = x / (2.0 + x)
    t = a * a
    s = t * (t * (t * (t * (t * (t * _A33 + _A31) + _A29) + _A27) + _A25) + _A23)
    s = t * (t * (t * (t * (t * (s + _A21) + _A19) + _A17) + _A15) + _A13)
    s = t * (t * (t * (t * (t * (s + _A11) + _A9) + _A7) + _A5) + _A3)
    return 2.0 * a + 2.0 * a * s
