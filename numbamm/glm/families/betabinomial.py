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


#: From this precision a trial on scipy loses digits, and the binomial limit has them.
LIMIT = 1e7


def _asked(function: str, x, mu, w, precision):
    """A function of the distribution by its name, as ``"cdf"``."""
    from scipy.stats import betabinom, binom

    x, mu, w, precision = np.broadcast_arrays(x, mu, w, precision)
    near = precision > LIMIT * w
    phi = np.where(near, LIMIT * w, precision)
    own = getattr(betabinom(w, mu * phi, (1 - mu) * phi), function)(x)
    return np.where(near, getattr(binom(w, mu), function)(x), own)


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
    cdf=lambda y, mu, w, precision: _asked("cdf", np.floor(y * w + 1e-9), mu, w, precision),
    draw=_draw,
    quantile=lambda p, mu, w, precision: _asked("ppf", p, mu, w, precision) / w,
    zero=lambda mu, w, precision: _asked("pmf", 0.0, mu, w, precision),
)
