"""The beta family of proportions strictly between 0 and 1: variance μ(1 - μ) / (1 + φ).

Source: Ferrari & Cribari-Neto (2004), J. Appl. Stat. 31, 799.
"""

from __future__ import annotations

import math

from numbamm.glm.family import Family
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import HALF_LOG_TAU, remainder


def density(y, mu, rest, precision):
    """The log-density, in terms that are small where φ is large and y close to μ."""
    a, b = mu * precision, rest * precision
    far = a * (math.log(y) - math.log(mu)) + b * (math.log1p(-y) - math.log(rest))
    size = 0.5 * (math.log(mu) + math.log(rest) + math.log(precision)) - HALF_LOG_TAU
    rests = remainder(precision) - remainder(a) - remainder(b)
    return far + size + rests - math.log(y) - math.log1p(-y)


def _law(mu, precision):
    from scipy.stats import beta

    return beta(mu * precision, (1 - mu) * precision)


FAMILY = Family(
    "beta",
    link="logit",
    support="values between 0 and 1, without these",
    supports=lambda y: (y > 0) & (y < 1),
    unit=True,
    means=(0.0, 1.0),
    example=0.5,
    aliases=("beta_family", "betar", "betamodel"),
    density=density,
    parameters=(Parameter("precision", perfect=1.0),),
    variance=lambda mu, precision: mu * (1 - mu) / (1 + precision),
    cdf=lambda y, mu, precision: _law(mu, precision).cdf(y),
    draw=lambda rng, mu, precision: rng.beta(mu * precision, (1 - mu) * precision),
    quantile=lambda p, mu, precision: _law(mu, precision).ppf(p),
    zero=lambda mu: 0.0 * mu,
)
