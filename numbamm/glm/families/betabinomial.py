"""The beta-binomial family: proportions of trials of greater variance than binomial ones."""

from __future__ import annotations

import math

import numpy as np

from numbamm.glm.family import Family
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import log_factorial, log_rise


def density(y, mu, rest, w, precision):
    hits = math.floor(y * w + 0.5)
    misses = w - hits
    a, b = mu * precision, rest * precision
    f = log_rise(a, hits) + log_rise(b, misses) - log_rise(precision, w)
    f = f + hits * math.log(mu) + misses * math.log(rest)
    return f + (log_factorial(w) - log_factorial(hits) - log_factorial(misses))


def _law(mu, w, precision):
    from scipy.stats import betabinom

    return betabinom(w, mu * precision, (1 - mu) * precision)


def _draw(rng, mu, w, precision):
    p = rng.beta(mu * precision, (1 - mu) * precision)
    return rng.binomial(w.astype(np.int64), np.clip(p, 0.0, 1.0)) / w


FAMILY = Family(
    "betabinomial",
    words="beta-binomial",
    link="logit",
    support="values from 0 to 1",
    supports=lambda y: (y >= 0) & (y <= 1),
    proportions=True,
    unit=True,
    discrete=True,
    bounds=(0.0, 1.0),
    means=(0.0, 1.0),
    example=0.5,
    weights="trials",
    aliases=("betabinom", "betabin"),
    density=density,
    parameters=(Parameter("precision", limit="binomial"),),
    variance=lambda mu, w, precision: mu * (1 - mu) * (precision + w) / (precision + 1) / w,
    cdf=lambda y, mu, w, precision: _law(mu, w, precision).cdf(np.floor(y * w + 1e-9)),
    draw=_draw,
    quantile=lambda p, mu, w, precision: _law(mu, w, precision).ppf(p) / w,
    zero=lambda mu, w, precision: _law(mu, w, precision).pmf(0),
)
