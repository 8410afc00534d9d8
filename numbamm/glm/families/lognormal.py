"""The log-normal family, by mean μ and standard deviation φ of the response itself."""

from __future__ import annotations

import math

import numpy as np

from numbamm.glm.family import SIZES, Family
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import HALF_LOG_TAU


def density(y, mu, dispersion):
    ratio = dispersion / mu
    variance = math.log1p(ratio * ratio)
    z = math.log(y) - math.log(mu) + 0.5 * variance
    return -0.5 * z * z / variance - 0.5 * math.log(variance) - HALF_LOG_TAU - math.log(y)


def _law(mu, dispersion):
    from scipy.stats import lognorm

    s = np.sqrt(np.log1p((dispersion / mu) ** 2))
    return lognorm(s, scale=mu * np.exp(-(s**2) / 2))


def _draw(rng, mu, dispersion):
    s = np.sqrt(np.log1p((dispersion / mu) ** 2))
    return mu * np.exp(s * rng.standard_normal(len(mu)) - s**2 / 2)


FAMILY = Family(
    "lognormal",
    words="log-normal",
    link="log",
    **{**SIZES, "dispersed": False, "weights": "rows"},
    aliases=("logn",),
    density=density,
    parameters=(Parameter("dispersion", words="standard deviation", perfect=-1.0),),
    trigamma=False,
    variance=lambda mu, dispersion: dispersion**2 + 0.0 * mu,
    cdf=lambda y, mu, dispersion: _law(mu, dispersion).cdf(y),
    draw=_draw,
    quantile=lambda p, mu, dispersion: _law(mu, dispersion).ppf(p),
    zero=lambda mu: 0.0 * mu,
)
