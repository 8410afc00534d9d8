"""The generalized Poisson family: variance μφ, more than the mean or less.

Source: Consul & Famoye (1992), Commun. Stat. Theory Methods 21, 89.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.glm.family import COUNTS, Family
from numbamm.glm.parts import summed
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import log_factorial


def density(y, mu, dispersion):
    """Where φ < 1 the support ends, and beyond its end the density is zero."""
    root = 1.0 / math.sqrt(dispersion)
    theta = mu * root
    rate = theta + (1.0 - root) * y
    if rate <= 0.0:
        return theta * -math.inf
    return math.log(theta) + (y - 1.0) * math.log(rate) - rate - log_factorial(y)


def _log_pmf(mu, dispersion):
    theta, root = mu / np.sqrt(dispersion), 1 / np.sqrt(dispersion)

    def log_pmf(k):
        rate = theta + (1 - root) * k
        at = np.log(theta) + (k - 1) * np.log(np.maximum(rate, 1e-300)) - rate - log_gamma(k + 1)
        return np.where(rate > 0, at, -np.inf)

    return log_pmf


def log_gamma(x):
    from scipy.special import gammaln

    return gammaln(x)


FAMILY = Family(
    "genpois",
    words="generalized Poisson",
    link="log",
    **COUNTS,
    aliases=("generalizedpoisson", "gpoisson"),
    density=density,
    includes="poisson",
    parameters=(Parameter("dispersion", starts=(0.0, 0.5, 1.0, 2.0, 3.0, -0.3)),),
    trigamma=True,
    variance=lambda mu, dispersion: mu * dispersion,
    cdf=lambda y, mu, dispersion: summed.cdf(_log_pmf(mu, dispersion), y),
    draw=lambda rng, mu, dispersion: summed.quantile(
        _log_pmf(mu, dispersion), rng.uniform(size=len(mu))
    ),
    quantile=lambda p, mu, dispersion: summed.quantile(_log_pmf(mu, dispersion), p),
    zero=lambda mu, dispersion: np.exp(-mu / np.sqrt(dispersion)),
)
