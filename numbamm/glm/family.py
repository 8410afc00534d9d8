"""Families: what the density of one observation contributes, compiled, one code each.

An observation y with prior weight w, mean μ(η) and dispersion φ has log-density

    log f = w t(y, μ) / φ + what does not depend on μ

Kernels need -2 w t, the score w ∂t/∂η, and the information about η; none of them knows φ, since
the mode of the random effects does not depend on it.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.link import (
    IDENTITY,
    INVERSE,
    INVERSE_SQUARED,
    LOG,
    LOGIT,
    inverse,
    log_unit,
    safe_exp,
)

BINOMIAL, POISSON, NEGATIVE_BINOMIAL, GAMMA, INVERSE_GAUSSIAN, GAUSSIAN = range(6)

NAMES = {
    "bernoulli": BINOMIAL,
    "binomial": BINOMIAL,
    "poisson": POISSON,
    "negativebinomial": NEGATIVE_BINOMIAL,
    "gamma": GAMMA,
    "inversegaussian": INVERSE_GAUSSIAN,
    "gaussian": GAUSSIAN,
}

#: The link of each family if none is named.
DEFAULT_LINK = {
    BINOMIAL: LOGIT,
    POISSON: LOG,
    NEGATIVE_BINOMIAL: LOG,
    GAMMA: INVERSE,
    INVERSE_GAUSSIAN: INVERSE_SQUARED,
    GAUSSIAN: IDENTITY,
}

#: Families whose dispersion φ is estimated.
DISPERSED = (GAMMA, INVERSE_GAUSSIAN, GAUSSIAN)


@jit
def contribution(family, link, shape, y, w, eta):
    """-2 w t, the score, and the expected and the observed information about η, of one row.

    Parameters
    ----------
    family, link : int
        Codes.
    shape : float64
        Shape of the negative binomial; else unused.
    y, w, eta : float64
        Response (a proportion for the binomial), prior weight, linear predictor.

    Returns
    -------
    tuple of four float64
    """
    if family == BINOMIAL:
        return _logistic(y, w, eta) if link == LOGIT else _binomial(link, y, w, eta)
    mu, d, d2 = inverse(link, eta)
    if family == POISSON:
        kernel, v, dv = y * math.log(mu) - mu if y > 0 else -mu, mu, 1.0
    elif family == NEGATIVE_BINOMIAL:
        kernel = y * math.log(mu / (mu + shape)) - shape * math.log1p(mu / shape)
        v, dv = mu + mu * mu / shape, 1.0 + 2.0 * mu / shape
    elif family == GAMMA:
        kernel, v, dv = -y / mu - math.log(mu), mu * mu, 2.0 * mu
    elif family == INVERSE_GAUSSIAN:
        kernel, v, dv = 1.0 / mu - 0.5 * y / (mu * mu), mu**3, 3.0 * mu * mu
    else:
        kernel, v, dv = -0.5 * (y - mu) ** 2, 1.0, 0.0
    expected = w * d * d / v
    observed = expected - w * (y - mu) * (d2 / v - d * d * dv / (v * v))
    return -2.0 * w * kernel, w * (y - mu) * d / v, expected, observed


@jit
def _logistic(y, w, eta):
    """As `contribution` for binomial and logit: one exponential, one logarithm."""
    e = safe_exp(-abs(eta))
    small = e / (1.0 + e)
    mu, rest = (1.0 - small, small) if eta > 0 else (small, 1.0 - small)
    information = w * mu * rest
    minus_log_larger = math.log1p(e)  # -log of the larger of μ and 1 - μ
    away = 1.0 - y if eta > 0 else y  # the share of y on the side of the smaller
    return 2.0 * w * (minus_log_larger + away * abs(eta)), w * (y - mu), information, information


@jit
def _binomial(link, y, w, eta):
    """As `contribution`, by logarithms of μ and 1 - μ: exact where either rounds to 0."""
    log_mu, log_rest = log_unit(link, eta)
    kernel = 0.0
    if y > 0.0:
        kernel += y * log_mu
    if y < 1.0:
        kernel += (1.0 - y) * log_rest
    _, d, d2 = inverse(link, eta)
    mu, rest = math.exp(log_mu), math.exp(log_rest)
    to_mu, to_rest = d / mu, d / rest
    observed = y * (to_mu * to_mu - d2 / mu) + (1.0 - y) * (to_rest * to_rest + d2 / rest)
    return (
        -2.0 * w * kernel,
        w * (y * to_mu - (1.0 - y) * to_rest),
        w * to_mu * to_rest,
        w * observed,
    )


def constant(family: int, y, w, shape: float, dispersion: float) -> float:
    """-2 log-likelihood less Σ -2 w t / φ: what does not depend on the means.

    Parameters
    ----------
    family : int
    y, w : ndarray, shape (n,)
    shape, dispersion : float

    Returns
    -------
    float
    """
    from scipy.special import gammaln, xlogy

    if family == BINOMIAL:
        rows = gammaln(w + 1) - gammaln(w * y + 1) - gammaln(w * (1 - y) + 1)
    elif family == POISSON:
        rows = -w * gammaln(y + 1)
    elif family == NEGATIVE_BINOMIAL:
        rows = w * (gammaln(y + shape) - gammaln(shape) - gammaln(y + 1))
    elif family == GAMMA:
        a = w / dispersion
        rows = xlogy(a, a) + xlogy(a - 1, y) - gammaln(a)
    elif family == INVERSE_GAUSSIAN:
        rows = -0.5 * np.log(2 * np.pi * y**3 * dispersion / w) - 0.5 * w / (dispersion * y)
    else:
        rows = -0.5 * np.log(2 * np.pi * dispersion / w)
    return float(-2 * np.sum(rows))
