"""The negative binomial family of counts: variance μ + μ²/shape; Poisson at an infinite shape."""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.exponential import FAR, log_ratio, mean_rows
from numbamm.glm.families import poisson
from numbamm.glm.family import COUNTS, Family
from numbamm.glm.gammas import gamma_peak, gamma_peak_slope


@jit
def _deviance(shape, y, mu):
    if not mu > 0.0:
        return np.nan
    if not shape < np.inf:
        return poisson._deviance(shape, y, mu)
    # y log(y / μ) - (y + s) log((y + s) / (μ + s)), in two terms that are small where d is.
    log_whole = log_ratio(y + shape, mu + shape, (y - mu) / (mu + shape))
    if not y > 0.0:
        return -2.0 * shape * log_whole
    share = (y - mu) / mu * shape / (y + shape)
    if FAR < share < np.inf:
        log_share = math.log1p(share)
    else:
        log_share = math.log(y) - math.log(mu) - log_whole
    return 2.0 * (y * log_share - shape * log_whole)


@jit
def _variances(shape, mu):
    return mu + mu * mu / shape, 1.0 + 2.0 * mu / shape, 2.0 / shape


@jit
def _shape_slopes(shape, y, mu):
    ratio = (y - mu) / (mu + shape)
    to_deviance = 2.0 * shape * (ratio - log_ratio(y + shape, mu + shape, ratio))
    return to_deviance, -mu * mu / shape, -2.0 * mu / shape


def _saturated(y, w, shape):
    rows = poisson.saturated(y, w)
    if shape < np.inf:
        rows += w * (gamma_peak(shape) - gamma_peak(shape + y))
    return rows


def _moment_shape(y, w, mu):
    """The shape by moments, given the means of a Poisson model."""
    excess = w @ ((y - mu) ** 2 - mu)  # its expectation is w'μ²/shape
    return float(np.clip(w @ mu**2 / max(excess, 1e-300), 0.05, 1e3))


def _draw(rng, mu, shape):
    spread = rng.gamma(shape, 1 / shape, len(mu)) if shape < np.inf else 1.0
    return rng.poisson(mu * spread).astype(np.float64)


def _quantile(p, mu, shape):
    from scipy.stats import nbinom

    return (
        nbinom.ppf(p, shape, shape / (shape + mu)) if shape < np.inf else poisson._quantile(p, mu)
    )


FAMILY = Family(
    "negativebinomial",
    words="negative binomial",
    link="log",
    **COUNTS,
    aliases=("nbinom", "nbinom2", "negativebinomialp"),
    rows=mean_rows(_deviance, _variances, _shape_slopes),
    has_shape=True,
    shape_range=(1e-6, 1e12),
    limit="poisson",
    moment_shape=_moment_shape,
    concave=("log",),
    trigamma=True,
    variance=lambda mu, shape: mu + mu**2 / shape,
    saturated=_saturated,
    saturated_slope=lambda y, w, shape: (
        w * shape * (gamma_peak_slope(shape) - gamma_peak_slope(shape + y))
    ),
    draw=_draw,
    quantile=_quantile,
    zero=lambda mu, shape: np.exp(-shape * np.log1p(mu / shape) if shape < np.inf else -mu),
)
