"""The negative binomial family of variance μ (1 + φ + μ/ψ), which has both others as limits."""

from __future__ import annotations

import math

import numpy as np

from numbamm.glm.family import COUNTS, Family
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import log_factorial, log_rise


def density(y, mu, dispersion, shape):
    excess = dispersion + mu / shape  # the variance is μ (1 + excess)
    size = mu / excess
    log_zero = -size * math.log1p(excess)
    return log_rise(size, y) - log_factorial(y) + y * math.log(mu / (1.0 + excess)) + log_zero


def _excess(mu, dispersion, shape):
    return dispersion + mu / shape


def _law(mu, dispersion, shape):
    from scipy.stats import nbinom

    excess = _excess(mu, dispersion, shape)
    return nbinom(mu / excess, 1 / (1 + excess))


def _draw(rng, mu, dispersion, shape):
    excess = _excess(mu, dispersion, shape)
    return rng.poisson(rng.gamma(mu / excess, excess)).astype(np.float64)


def _zero(mu, dispersion, shape):
    excess = _excess(mu, dispersion, shape)
    return np.exp(-mu / excess * np.log1p(excess))


FAMILY = Family(
    "nbinom12",
    words="negative binomial (linear and quadratic variance)",
    link="log",
    **COUNTS,
    aliases=("negative binomial (linear and quadratic variance)",),
    density=density,
    parameters=(
        Parameter("dispersion", limit="nbinom2", at=-np.inf),
        Parameter("shape", limit="nbinom1"),
    ),
    trigamma=True,
    variance=lambda mu, dispersion, shape: mu * (1 + _excess(mu, dispersion, shape)),
    cdf=lambda y, mu, dispersion, shape: _law(mu, dispersion, shape).cdf(y),
    draw=_draw,
    quantile=lambda p, mu, dispersion, shape: _law(mu, dispersion, shape).ppf(p),
    zero=_zero,
)
