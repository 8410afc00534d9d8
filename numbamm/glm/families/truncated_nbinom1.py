"""The zero-truncated negative binomial family of variance μ (1 + φ) without truncation."""

from __future__ import annotations

import math

import numpy as np

from numbamm.glm.family import Family
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import log_factorial, log_not, log_rise
from numbamm.glm.parts.truncation import POSITIVE_COUNTS, truncated


def density(y, mu, dispersion):
    size = mu / dispersion
    log_zero = -size * math.log1p(dispersion)
    f = log_rise(size, y) - log_factorial(y) + y * math.log(mu / (1.0 + dispersion))
    return f + log_zero - log_not(log_zero)


def _law(mu, dispersion):
    from scipy.stats import nbinom

    return nbinom(mu / dispersion, 1 / (1 + dispersion))


FAMILY = Family(
    "truncated_nbinom1",
    words="zero-truncated negative binomial (linear variance)",
    **POSITIVE_COUNTS,
    aliases=("ztnbinom1", "ztnb1", "zero-truncated negative binomial (linear variance)"),
    density=density,
    parameters=(Parameter("dispersion", limit="truncated_poisson", at=-np.inf),),
    **truncated(_law, variance=lambda mu, dispersion: mu * (1 + dispersion)),
)
