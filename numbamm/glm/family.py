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


def variance(family: int, shape: float, mu) -> np.ndarray:
    """Variance function V(μ): Var(y) = φ V(μ) / w.

    Parameters
    ----------
    family : int
    shape : float
        Shape of the negative binomial.
    mu : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
    """
    if family == BINOMIAL:
        return mu * (1 - mu)
    if family == POISSON:
        return mu
    if family == NEGATIVE_BINOMIAL:
        return mu + mu**2 / shape
    return mu ** {GAMMA: 2, INVERSE_GAUSSIAN: 3, GAUSSIAN: 0}[family]


def unit_deviance(family: int, shape: float, y, mu) -> np.ndarray:
    """2 (t(y, y) - t(y, μ)), by which a row falls short of a perfect fit.

    Parameters
    ----------
    family : int
    shape : float
        Shape of the negative binomial.
    y, mu : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
    """
    from scipy.special import xlogy

    if family == BINOMIAL:
        return 2 * (xlogy(y, y / mu) + xlogy(1 - y, (1 - y) / (1 - mu)))
    if family == POISSON:
        return 2 * (xlogy(y, y / mu) - (y - mu))
    if family == NEGATIVE_BINOMIAL:
        return 2 * (xlogy(y, y / mu) - (y + shape) * np.log((y + shape) / (mu + shape)))
    if family == GAMMA:
        return 2 * ((y - mu) / mu - np.log(y / mu))
    return (y - mu) ** 2 / (mu**2 * y if family == INVERSE_GAUSSIAN else 1.0)


def dispersion(family: int, y, w, penalised: float) -> float:
    """φ that minimises ``penalised / φ + constant(family, y, w, shape, φ)``.

    Parameters
    ----------
    family : int
        One of `DISPERSED`.
    y, w : ndarray, shape (n,)
    penalised : float
        Σ -2 w t + u'u at the mode.

    Returns
    -------
    float
        0 or below where rows are fitted perfectly, so that there is no minimum.
    """
    if family == GAUSSIAN:
        return penalised / len(y)
    if family == INVERSE_GAUSSIAN:
        return (penalised + np.sum(w / y)) / len(y)
    from scipy.optimize import brentq
    from scipy.special import psi

    unique, counts = np.unique(w, return_counts=True)
    total = penalised / 2 - np.sum(w * (np.log(y) + 1))
    if not total > 0:
        return 0.0

    def slope(phi: float) -> float:
        a = unique / phi
        return total - np.sum(counts * unique * (np.log(a) - psi(a)))

    # log a - psi(a) lies between 1/(2a) and 1/a, so that total lies between n φ/2 and n φ.
    lower, upper = 0.999 * total / len(y), 2.001 * total / len(y)
    if slope(lower) * slope(upper) >= 0:  # all digits lost: φ is next to nothing
        return 2 * total / len(y)
    return float(brentq(slope, lower, upper, xtol=1e-300, rtol=1e-13))


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
        rows = w * (_log_rising(shape, y) - gammaln(y + 1))
    elif family == GAMMA:
        a = w / dispersion
        rows = xlogy(a, a) + xlogy(a - 1, y) - gammaln(a)
    elif family == INVERSE_GAUSSIAN:
        rows = -0.5 * np.log(2 * np.pi * y**3 * dispersion / w) - 0.5 * w / (dispersion * y)
    else:
        rows = -0.5 * np.log(2 * np.pi * dispersion / w)
    return float(-2 * np.sum(rows))


#: From this shape on, Stirling's series for log Γ is exact to rounding.
_STIRLING = 16.0


def _log_rising(shape: float, y) -> np.ndarray:
    """log Γ(shape + y) - log Γ(shape), without the cancellation that large shapes bring."""
    from scipy.special import gammaln

    if shape < _STIRLING:
        return gammaln(y + shape) - gammaln(shape)

    def correction(x):
        s = 1 / x**2
        series = 1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188)))
        return series / x

    return (
        (shape + y - 0.5) * np.log1p(y / shape)
        + y * np.log(shape)
        - y
        + correction(shape + y)
        - correction(shape)
    )
