"""The row kernel of a family that is given by its unit deviance and its variance function.

Score and information about η follow from V(μ) and the link's derivatives; see
docs/mathematics.md, "The generalized linear mixed model".
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.row_kernels import (
    D2,
    D3,
    DEVIANCE,
    EXPECTED_SHAPE,
    FIRST,
    INFORMATION,
    MU,
    OBSERVED_SLOPE,
    SCORE,
    SECOND,
    THIRD,
    WEIGHT,
    WORKING,
    D,
    around,
)

#: log(1 + r) is accurate for r above this; below, log(a / b) is computed as log(a) - log(b).
FAR = -0.99


def mean_rows(deviance, variances, shape_slopes=None):
    """The kernel of a family.

    Parameters
    ----------
    deviance : kernel
        The unit deviance d of shape, y and μ; NaN where there is no such mean.
    variances : kernel
        V and its first two derivatives in μ, of shape and μ.
    shape_slopes : kernel, optional
        For a family with a shape, of shape, y and μ: the derivatives of d, V and V' in the
        logarithm of the shape.
    """
    shaped = shape_slopes is not None

    def rows(what, y, w, entropy, shape, least, eta, link, out):
        total = 0.0
        if what == DEVIANCE:
            for i in range(len(y)):
                out[FIRST, i] = w[i] * deviance(shape, y[i], link[MU, i])
        elif what == WORKING:
            for i in range(len(y)):
                mu, d = link[MU, i], link[D, i]
                total += w[i] * deviance(shape, y[i], mu)
                v = variances(shape, mu)[0]
                out[WEIGHT, i] = max(w[i] * d * d / v, least * w[i])
                out[SCORE, i] = w[i] * (y[i] - mu) * d / v
        elif what == INFORMATION:
            for i in range(len(y)):
                mu, d = link[MU, i], link[D, i]
                v, dv, _ = variances(shape, mu)
                out[FIRST, i] = w[i] * d * d / v
                bend = link[D2, i] / v - d * d * dv / (v * v)
                out[SECOND, i] = out[FIRST, i] - w[i] * (y[i] - mu) * bend
        elif what <= OBSERVED_SLOPE:
            for i in range(len(y)):
                mu, d, d2 = link[MU, i], link[D, i], link[D2, i]
                v, dv, ddv = variances(shape, mu)
                r = d / v  # a ratio of numbers that may both be close to 0
                slope = r * (2.0 * d2 - r * d * dv)
                if what == OBSERVED_SLOPE:
                    g = d2 / v - r * r * dv
                    g1 = (link[D3, i] - 3.0 * r * d2 * dv - r * d * d * ddv) / v
                    g1 += 2.0 * r * r * r * dv * dv
                    slope += d * g - (y[i] - mu) * g1
                out[FIRST, i] = w[i] * slope
        elif shaped:
            for i in range(len(y)):
                mu, d = link[MU, i], link[D, i]
                v, dv, _ = variances(shape, mu)
                to_d, to_v, to_dv = shape_slopes(shape, y[i], mu)
                out[FIRST, i] = w[i] * to_d
                out[SECOND, i] = -w[i] * (y[i] - mu) * d * to_v / (v * v)
                out[THIRD, i] = -w[i] * d * d * to_v / (v * v)
                if what != EXPECTED_SHAPE:
                    change = -link[D2, i] * to_v / (v * v)
                    change -= d * d * (to_dv / (v * v) - 2.0 * dv * to_v / v**3)
                    out[THIRD, i] -= w[i] * (y[i] - mu) * change
        return total

    return around(deviance, rows)


@jit(entry=False)
def log_ratio(a, b, excess):
    """log(a / b) of positive numbers, given `excess` = (a - b) / b, accurate where a is close to b.

    Where a is far below b, 1 + excess loses its digits, and a / b may underflow or overflow; then
    the difference of the logarithms is used.
    """
    return math.log1p(excess) if FAR < excess < np.inf else math.log(a) - math.log(b)
