"""The Poisson family of counts: variance μ."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.exponential import log_ratio, mean_rows
from numbamm.glm.family import COUNTS, Family
from numbamm.glm.gammas import gamma_peak


@jit
def _deviance(shape, y, mu):
    if not mu > 0.0:
        return np.nan
    return 2.0 * ((y * log_ratio(y, mu, (y - mu) / mu) if y > 0.0 else 0.0) - (y - mu))


@jit
def _variances(shape, mu):
    return mu, 1.0, 0.0


def saturated(y, w):
    """Log-density at a perfect fit, times the weight."""
    some = np.where(y > 0, y, 1.0)
    return w * np.where(y > 0, gamma_peak(some) - np.log(some), 0.0)


def _entropy(y):
    from scipy.special import xlogy

    return xlogy(y, y) - y


def _quantile(p, mu):
    from scipy.stats import poisson

    return poisson.ppf(p, mu)


FAMILY = Family(
    "poisson",
    words="Poisson",
    link="log",
    canonical="log",
    **COUNTS,
    rows=mean_rows(_deviance, _variances),
    wider="negative binomial",
    concave=("log", "identity", "sqrt"),
    trigamma=True,
    variance=lambda mu: mu,
    saturated=saturated,
    entropy=_entropy,
    draw=lambda rng, mu: rng.poisson(mu).astype(np.float64),
    quantile=_quantile,
    zero=lambda mu: np.exp(-mu),
)
