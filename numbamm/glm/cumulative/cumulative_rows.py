"""The row kernel of cumulative links: log-density of a category, and its derivatives.

A row of category k has the probability D = F(a) - F(b), a = (α_k - η) / s, b = (α_{k-1} - η) / s,
with α_0 = -∞ and α_K = ∞. Its thresholds and 1/s stand in the table that kernels of links fill for
other families. With p = f(a) / D, q = f(b) / D and D', D'', D''' the derivatives where a and b move
together,

    σ = D' / D = p - q,   D'' / D = p f'/f(a) - q f'/f(b),   D''' / D = p f''/f(a) - q f''/f(b)

so that (log D)'' = D''/D - σ² and (log D)''' = D'''/D - 3σ D''/D + 2σ³. D is a difference of
distribution functions below the median, and of survival functions above, by logarithms.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.row_kernels import (
    DEVIANCE,
    FIRST,
    INFORMATION,
    SCORE,
    SECOND,
    THIRD,
    WEIGHT,
    WORKING,
    around,
)

#: Lines of the table: the thresholds above and below a row's category, and 1/s.
UPPER, LOWER, RATE, LINES_OF_TABLE = range(4)

#: FIRST to THIRD: derivatives of w d, score and information in the threshold above.
UPPER_SLOPE = 7

_LOG_HALF = math.log(0.5)


def cumulative_rows(logarithms, named=None, kept=True):
    """The kernel of a link; see `row_kernels.FAMILY`.

    Parameters
    ----------
    logarithms : kernel
        As `Link.logarithms`.
    named, kept
        As for `row_kernels.unit_rows`.
    """

    def cumulative_rows(what, y, w, entropy, shape, least, eta, table, out):
        total = 0.0
        for i in range(len(eta)):
            upper, lower, rate = table[UPPER, i], table[LOWER, i], table[RATE, i]
            log_f, p, q = 0.0, 0.0, 0.0  # of a distribution without thresholds
            g_a, k_a, g_b, k_b = 0.0, 0.0, 0.0, 0.0
            if upper < np.inf:
                log_mu, log_rest, to_mu, to_rest, g_a, k_a = logarithms((upper - eta[i]) * rate)
                log_f, p = log_mu, to_mu
            if lower > -np.inf:
                log_mu_b, log_rest_b, to_mu_b, to_rest_b, g_b, k_b = logarithms(
                    (lower - eta[i]) * rate
                )
                if not upper < np.inf:
                    log_f, q = log_rest_b, to_rest_b
                elif log_mu_b > _LOG_HALF:
                    log_f, p, q = _between(log_rest_b, log_rest, to_rest_b, to_rest)
                    p, q = q, p
                else:
                    log_f, p, q = _between(log_mu, log_mu_b, to_mu, to_mu_b)
            wi = w[i]
            if what == DEVIANCE:
                out[FIRST, i] = -2.0 * wi * log_f
                continue
            sigma = p - q
            first = _product(p, g_a) - _product(q, g_b)
            bend = first - sigma * sigma
            observed = -wi * rate * rate * bend
            if what == WORKING:
                total -= 2.0 * wi * log_f
                out[SCORE, i] = -wi * rate * sigma
                out[WEIGHT, i] = max(abs(observed), least * wi)
            elif what == INFORMATION:
                out[FIRST, i], out[SECOND, i] = abs(observed), observed
            elif what == UPPER_SLOPE:
                turn = _product(p, g_a) - sigma * p
                twist = _product(p, k_a) - first * p - 2.0 * sigma * turn
                out[FIRST, i] = -2.0 * wi * rate * p
                out[SECOND, i] = -wi * rate * rate * turn
                out[THIRD, i] = -wi * rate * rate * rate * twist
            else:  # the slope of the information in η
                second = _product(p, k_a) - _product(q, k_b)
                twist = second - 3.0 * sigma * first + 2.0 * sigma * sigma * sigma
                out[FIRST, i] = wi * rate * rate * rate * twist
        return total

    return around(named or logarithms, cumulative_rows, kept=kept)


@jit
def _between(log_large, log_small, to_large, to_small):
    """log(L - S), and the densities over L - S, from logarithms of L > S and densities over each.

    NaN where L is no larger than S.
    """
    gap = log_large - log_small
    if not gap > 0.0:
        return np.nan, np.nan, np.nan
    share, rest = -math.expm1(-gap), math.exp(-gap)
    return log_large + math.log(share), to_large / share, _product(rest, to_small) / share


@jit
def _product(x, y):
    """x y, and 0 where x is 0, even if y is infinite."""
    return x * y if x != 0.0 else 0.0
