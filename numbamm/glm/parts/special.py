"""Special functions of numbers and of jets, from which log-densities are written.

Log-densities of counts are differences of log-gamma functions of large arguments. They are written
by the remainder of Stirling's formula, so that no digits cancel where a parameter is very large and
the distribution close to its limit.
"""

from __future__ import annotations

import math

import numpy as np
from numba.core import types
from numba.extending import overload

from numbamm.blocks.jit import jit
from numbamm.glm.jets import _chain, _is_jet, uniquely_named

HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


def _of_kinds(function, derivatives) -> None:
    """Define a function of numbers and jets by the kernel of its value and three derivatives."""

    def of_jet(x):
        f, f1, f2, f3 = derivatives(x.v)
        return _chain(f, f1, f2, f3, x)

    of_number = uniquely_named(lambda x: derivatives(x)[0], function.__name__, "of_number")
    uniquely_named(of_jet, function.__name__, "of_jet")

    @overload(function)
    def _chosen(x):
        if _is_jet(x):
            return of_jet
        return of_number if isinstance(x, types.Float | types.Integer) else None


@jit
def _remainder_derivatives(x):
    """log Γ(x) - [(x - ½) log x - x + ½ log 2π], and its first three derivatives."""
    if not x > 0.0:
        return np.nan, np.nan, np.nan, np.nan
    at, f, f1, f2, f3, product = x, 0.0, 0.0, 0.0, 0.0, 1.0
    below = at < 10.0
    while at < 10.0:  # log Γ(x) = log Γ(x + 1) - log x
        i = 1.0 / at
        product *= at
        f1 -= i
        f2 += i * i
        f3 -= 2.0 * i * i * i
        at += 1.0
    i = 1.0 / at
    j = i * i
    f += i * (
        1 / 12 - j * (1 / 360 - j * (1 / 1260 - j * (1 / 1680 - j * (1 / 1188 - j * 691 / 360360))))
    )
    f1 -= j * (
        1 / 12 - j * (1 / 120 - j * (1 / 252 - j * (1 / 240 - j * (1 / 132 - j * 691 / 32760))))
    )
    f2 += (
        i * j * (1 / 6 - j * (1 / 30 - j * (1 / 42 - j * (1 / 30 - j * (5 / 66 - j * 691 / 2730)))))
    )
    f3 -= j * j * (1 / 2 - j * (1 / 6 - j * (1 / 6 - j * (3 / 10 - j * (5 / 6 - j * 691 / 210)))))
    if below:  # the difference of Stirling's formula at both arguments
        k, one, log_at, log_x = 1.0 / x, at - x, math.log(at), math.log(x)
        f += (at - 0.5) * log_at - (x - 0.5) * log_x - one - math.log(product)
        f1 += log_at - log_x + 0.5 * (k - i)
        f2 += i - k + 0.5 * (i * i - k * k)
        f3 += k * k - i * i + k * k * k - i * i * i
    return f, f1, f2, f3


def remainder(x):
    """log Γ(x) - [(x - ½) log x - x + ½ log 2π]."""
    raise NotImplementedError


_of_kinds(remainder, _remainder_derivatives)


@jit(entry=False)
def log_rise(k, y):
    """log Γ(k + y) - log Γ(k) - y log k, which goes to 0 as k goes to infinity."""
    whole = k + y
    return (whole - 0.5) * math.log1p(y / k) - y + remainder(whole) - remainder(k)


@jit(entry=False)
def log_factorial(y):
    """log y! of a number."""
    return math.lgamma(y + 1.0)


@jit(entry=False)
def log_not(log_p):
    """log(1 - p) of log p < 0, for jets and numbers."""
    if log_p < -0.6931:
        return math.log1p(-math.exp(log_p))
    return math.log(-math.expm1(log_p))


@jit
def _normal_derivatives(x):
    """log Φ(x) and its first three derivatives."""
    if x > -6.0:
        f = (
            math.log(0.5 * math.erfc(-x / math.sqrt(2.0)))
            if x < 0.0
            else math.log1p(-0.5 * math.erfc(x / math.sqrt(2.0)))
        )
        r = math.exp(-0.5 * x * x - HALF_LOG_TAU - f)  # φ / Φ
        gap = r + x
    else:  # Mills' ratio by its continued fraction, from the bottom up
        u, tail = -x, -x
        for k in range(60, 0, -1):
            tail = u + k / tail
        r = tail  # φ / Φ = u + 1/(u + 2/(u + ...))
        gap = r - u
        f = -0.5 * x * x - HALF_LOG_TAU - math.log(r)
    f1 = r
    f2 = -r * gap
    return f, f1, f2, -f2 * gap - r * (1.0 + f2)


def log_normal(x):
    """log Φ(x)."""
    raise NotImplementedError


_of_kinds(log_normal, _normal_derivatives)


def softplus(x):
    """log(1 + exp(x))."""
    raise NotImplementedError


@jit
def _softplus_derivatives(x):
    e = math.exp(-abs(x))
    small, large = e / (1.0 + e), 1.0 / (1.0 + e)
    p, q = (large, small) if x > 0.0 else (small, large)
    return max(x, 0.0) + math.log1p(e), p, p * q, p * q * (q - p)


_of_kinds(softplus, _softplus_derivatives)
