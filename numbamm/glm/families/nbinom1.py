"""The negative binomial family whose variance is a multiple of the mean, μ (1 + φ).

Source: Hardin & Hilbe (2018), Generalized Linear Models and Extensions, 4th ed., section 13.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.glm.family import COUNTS, Family
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import log_factorial, log_rise


def density(y, mu, dispersion):
    size = mu / dispersion
    log_zero = -size * math.log1p(dispersion)
    return log_rise(size, y) - log_factorial(y) + y * math.log(mu / (1.0 + dispersion)) + log_zero


def _law(mu, dispersion):
    from scipy.stats import nbinom

    return nbinom(mu / dispersion, 1 / (1 + dispersion))


def _draw(rng, mu, dispersion):
    return rng.poisson(rng.gamma(mu / dispersion, dispersion)).astype(np.float64)


FAMILY = Family(
    "nbinom1",
    words="negative binomial (linear variance)",
    link="log",
    **COUNTS,
    aliases=("negativebinomial1", "nb1", "negbin1", "negative binomial (linear variance)"),
    density=density,
    parameters=(Parameter("dispersion", limit="poisson", at=-np.inf),),
    truncated="truncated_nbinom1",
    trigamma=True,
    variance=lambda mu, dispersion: mu * (1 + dispersion),
    cdf=lambda y, mu, dispersion: _law(mu, dispersion).cdf(y),
    draw=_draw,
    quantile=lambda p, mu, dispersion: _law(mu, dispersion).ppf(p),
    zero=lambda mu, dispersion: np.exp(-mu / dispersion * np.log1p(dispersion)),
)
