"""Student's t: location μ and scale φ, for responses with outliers.

Source: Lange, Little & Taylor (1989), J. Am. Stat. Assoc. 84, 881.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.glm.family import Family
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import HALF_LOG_TAU, log_rise


def density(y, mu, dispersion, df):
    z = (y - mu) / dispersion
    size = log_rise(0.5 * df, 0.5) - HALF_LOG_TAU - math.log(dispersion)
    return size - 0.5 * (df + 1.0) * math.log1p(z * z / df)


def _law(mu, dispersion, df):
    from scipy.stats import t

    return t(df, loc=mu, scale=dispersion)


def _variance(mu, dispersion, df):
    with np.errstate(all="ignore"):
        return np.where(df > 2, dispersion**2 * df / (df - 2), np.inf) + 0.0 * mu


FAMILY = Family(
    "student",
    words="Student t",
    link="identity",
    aliases=("t", "t_family", "studentt", "scat", "tdist"),
    density=density,
    parameters=(
        Parameter("dispersion", words="scale", perfect=-1.0),
        Parameter("df", starts=(1.5, 0.5, 3.0), words="degrees of freedom", limit="gaussian"),
    ),
    variance=_variance,
    cdf=lambda y, mu, dispersion, df: _law(mu, dispersion, df).cdf(y),
    draw=lambda rng, mu, dispersion, df: mu + dispersion * rng.standard_t(df, len(mu)),
    quantile=lambda p, mu, dispersion, df: _law(mu, dispersion, df).ppf(p),
    zero=lambda mu: 0.0 * mu,
)
