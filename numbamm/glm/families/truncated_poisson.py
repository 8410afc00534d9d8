"""The zero-truncated Poisson family: counts of at least 1; μ is that without truncation."""

from __future__ import annotations

import math

from numbamm.glm.family import Family
from numbamm.glm.parts.special import log_factorial, log_not
from numbamm.glm.parts.truncation import POSITIVE_COUNTS, truncated


def density(y, mu):
    return y * math.log(mu) - mu - log_factorial(y) - log_not(-mu)


def _law(mu):
    from scipy.stats import poisson

    return poisson(mu)


FAMILY = Family(
    "truncated_poisson",
    words="zero-truncated Poisson",
    **POSITIVE_COUNTS,
    aliases=("ztpoisson", "truncatedlfpoisson", "zero-truncated poisson"),
    density=density,
    wider="zero-truncated negative binomial",
    **truncated(_law, variance=lambda mu: mu),
)
