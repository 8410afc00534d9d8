"""The skew normal family, by its mean μ, its standard deviation φ and Azzalini's α.

Source: Azzalini (1985), Scand. J. Stat. 12, 171.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.glm.family import Family
from numbamm.glm.parts.density_rows import IDENTITY
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import HALF_LOG_TAU, log_normal

ROOT = math.sqrt(2.0 / math.pi)
LOG_2 = math.log(2.0)


def density(y, mu, dispersion, skewness):
    delta = skewness / math.sqrt(1.0 + skewness * skewness)
    omega = dispersion / math.sqrt(1.0 - ROOT * ROOT * delta * delta)
    z = (y - mu) / omega + ROOT * delta
    return LOG_2 - HALF_LOG_TAU - math.log(omega) - 0.5 * z * z + log_normal(skewness * z)


def _law(mu, dispersion, skewness):
    from scipy.stats import skewnorm

    delta = skewness / np.sqrt(1 + skewness**2)
    omega = dispersion / np.sqrt(1 - 2 * delta**2 / np.pi)
    return skewnorm(skewness, loc=mu - omega * delta * ROOT, scale=omega)


def _draw(rng, mu, dispersion, skewness):
    delta = skewness / np.sqrt(1 + skewness**2)
    omega = dispersion / np.sqrt(1 - 2 * delta**2 / np.pi)
    one, other = rng.standard_normal((2, len(mu)))
    return mu + omega * (delta * (np.abs(one) - ROOT) + np.sqrt(1 - delta**2) * other)


#: What is said of a skewness without limit.
HALF = "the distribution is a half-normal one, to one side of a bound"

FAMILY = Family(
    "skewnormal",
    words="skew normal",
    link="identity",
    aliases=("sn",),
    density=density,
    includes="gaussian",
    parameters=(
        Parameter("dispersion", words="standard deviation", perfect=-1.0),
        # At α = 0 the derivative in α is zero whatever the data: no search begins there.
        Parameter(
            "skewness",
            IDENTITY,
            starts=(-2.0, 2.0),
            words="skewness (α)",
            ends=dict.fromkeys((-1.0, 1.0), HALF),
        ),
    ),
    variance=lambda mu, dispersion: dispersion**2 + 0.0 * mu,
    cdf=lambda y, mu, dispersion, skewness: _law(mu, dispersion, skewness).cdf(y),
    draw=_draw,
    quantile=lambda p, mu, dispersion, skewness: _law(mu, dispersion, skewness).ppf(p),
    zero=lambda mu: 0.0 * mu,
)
