"""Families: what the density of one observation contributes, compiled, one code each.

An observation y with prior weight w, mean μ(η) and dispersion φ has

    -2 log f = w d(y, μ) / φ - 2 log f at a perfect fit, μ = y

with the unit deviance d, which is 0 there. So no digits are lost to what large counts share.
Kernels need w d, the score -w/2 ∂d/∂η, and the information about η; none of them knows φ, since
the mode of the random effects does not depend on it.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGER, NUMBER, REALS
from numbamm.glm.link import (
    IDENTITY,
    INVERSE,
    INVERSE_SQUARED,
    LOG,
    LOGIT,
    SQRT,
    inverse,
    log_unit,
    safe_exp,
    third,
    third_slope,
    unit_slopes,
)
from numbamm.glm.logistic import entropies

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

#: log(1 + r) has all digits for r above; below, that of a ratio is taken in parts.
FAR = -0.99

#: Families whose dispersion φ is estimated.
DISPERSED = (GAMMA, INVERSE_GAUSSIAN, GAUSSIAN)


@jit
def contribution(family, link, shape, y, w, eta):
    """w d, the score, and the expected and the observed information about η, of one row.

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
        The first is NaN where there is no such mean.
    """
    if family == BINOMIAL:
        return _logistic(y, w, eta) if link == LOGIT else _binomial(link, y, w, eta)
    mu, d, d2 = inverse(link, eta)
    score, expected, observed = _informations(family, shape, y, w, mu, d, d2)
    deviance = _unit_deviance(family, shape, y, mu)
    if link == SQRT and family != GAUSSIAN and y > 0.0 and eta <= 0.0:
        deviance = np.nan  # the mirror image of a mean, beyond the barrier at 0
    if link == INVERSE and not mu > 0.0:
        deviance = np.nan  # nor beyond infinity
    return w * deviance, score, expected, observed


@jit
def informations(family, link, shape, y, w, eta):
    """The last two of `contribution`, without the logarithms that only the deviance needs."""
    if family == BINOMIAL:
        _, _, expected, observed = contribution(family, link, shape, y, w, eta)
    else:
        mu, d, d2 = inverse(link, eta)
        _, expected, observed = _informations(family, shape, y, w, mu, d, d2)
    return expected, observed


@jit
def _informations(family, shape, y, w, mu, d, d2):
    """The score, and the expected and the observed information: of any family but binomial."""
    v, dv, _ = _variances(family, shape, mu)
    expected = w * d * d / v
    observed = expected - w * (y - mu) * (d2 / v - d * d * dv / (v * v))
    return w * (y - mu) * d / v, expected, observed


@jit
def _unit_deviance(family, shape, y, mu):
    """d(y, μ), to rounding for y and μ that are close as for those that are far apart."""
    if family == GAUSSIAN:
        return (y - mu) ** 2
    if not mu > 0.0:
        return np.nan
    if family == NEGATIVE_BINOMIAL and shape < np.inf:
        return _negative_binomial(shape, y, mu)
    away = (y - mu) / mu
    if family == GAMMA:
        return 2.0 * (away - _log_ratio(y, mu, away))
    if family == INVERSE_GAUSSIAN:
        return away * away / y
    return 2.0 * ((y * _log_ratio(y, mu, away) if y > 0.0 else 0.0) - (y - mu))


@jit
def _negative_binomial(shape, y, mu):
    """Its unit deviance."""
    # y log(y / μ) - (y + s) log((y + s) / (μ + s)), in two terms that are small where d is.
    log_whole = _log_ratio(y + shape, mu + shape, (y - mu) / (mu + shape))
    if not y > 0.0:
        return -2.0 * shape * log_whole
    share = (y - mu) / mu * shape / (y + shape)
    if FAR < share < np.inf:
        log_share = math.log1p(share)
    else:
        log_share = math.log(y) - math.log(mu) - log_whole
    return 2.0 * (y * log_share - shape * log_whole)


@jit
def _log_ratio(a, b, away):
    """log(a / b) of positive numbers, given (a - b) / b, which alone has digits where a is near b.

    Where a is far below b, 1 + (a - b) / b has none; and a / b may be too small, or too large, for
    a number.
    """
    return math.log1p(away) if FAR < away < np.inf else math.log(a) - math.log(b)


def unit_deviances(family: int, link: int, shape: float, y, eta) -> np.ndarray:
    """Unit deviances of rows, shape (n,)."""
    out = np.empty_like(eta)
    fill_deviances(family, link, shape, y, eta, out)
    return out


@jit(takes=(INTEGER, INTEGER, NUMBER, REALS, REALS, REALS))
def fill_deviances(family, link, shape, y, eta, out):
    """Fill ``out``, shape (n,), with `unit_deviances`."""
    for i in range(len(eta)):
        out[i] = contribution(family, link, shape, y[i], 1.0, eta[i])[0]


@jit
def _entropy(y):
    """y log y + (1 - y) log(1 - y): the logarithm of a perfect fit's density."""
    return y * math.log(y) + (1.0 - y) * math.log1p(-y) if 0.0 < y < 1.0 else 0.0


@jit
def _logistic(y, w, eta):
    """As `contribution` for binomial and logit: one exponential, one logarithm."""
    e = safe_exp(-abs(eta))
    small = e / (1.0 + e)
    mu, rest = (1.0 - small, small) if eta > 0 else (small, 1.0 - small)
    information = w * mu * rest
    minus_log_larger = math.log1p(e)  # -log of the larger of μ and 1 - μ
    away = 1.0 - y if eta > 0 else y  # the share of y on the side of the smaller
    deviance = 2.0 * (minus_log_larger + away * abs(eta) + _entropy(y))
    return w * deviance, w * (y - mu), information, information


@jit
def _binomial(link, y, w, eta):
    """As `contribution`, by logarithms of μ and 1 - μ: exact where either rounds to 0."""
    log_mu, log_rest = log_unit(link, eta)
    log_f = 0.0
    if y > 0.0:
        log_f += y * log_mu
    if y < 1.0:
        log_f += (1.0 - y) * log_rest
    if log_mu != log_mu or (link == SQRT and y > 0.0 and eta <= 0.0):
        log_f = np.nan  # no mean in (0, 1), or its mirror image
    to_mu, to_rest, bend = unit_slopes(link, eta, log_mu, log_rest)
    score = observed = 0.0
    if y > 0.0:
        score += y * to_mu
        observed += y * to_mu * (to_mu - bend)
    if y < 1.0:
        score -= (1.0 - y) * to_rest
        observed += (1.0 - y) * to_rest * (to_rest + bend)
    return 2.0 * w * (_entropy(y) - log_f), w * score, w * to_mu * to_rest, w * observed


@jit(entry=False)
def information_slope(family, link, observed, shape, y, w, eta):
    """Derivative in η of the expected or the observed information, of one row.

    Parameters
    ----------
    family, link : int
        Codes.
    observed : bool
        Of which information.
    shape, y, w, eta : float64
        As for `contribution`.

    Returns
    -------
    float64
    """
    if family == BINOMIAL:
        log_mu, log_rest = log_unit(link, eta)
        a, r, bend = unit_slopes(link, eta, log_mu, log_rest)
        a1, r1 = a * (bend - a), r * (bend + r)  # their derivatives
        if not observed:
            return w * (a1 * r + a * r1)
        twist = third_slope(link, eta)
        slope = 0.0
        if y > 0.0:
            slope += y * a * (2.0 * a1 - twist + a * bend)
        if y < 1.0:
            slope += (1.0 - y) * r * (2.0 * r1 + twist + r * bend)
        return w * slope
    mu, d, d2 = inverse(link, eta)
    if family == POISSON and link == LOG:
        return w * d2
    d3 = third(link, eta)
    v, dv, ddv = _variances(family, shape, mu)
    expected = 2.0 * d * d2 / v - d**3 * dv / (v * v)
    if not observed:
        return w * expected
    g = d2 / v - d * d * dv / (v * v)
    g1 = d3 / v - 3.0 * d * d2 * dv / (v * v) - d**3 * (ddv / (v * v) - 2.0 * dv * dv / v**3)
    return w * (expected + d * g - (y - mu) * g1)


@jit
def _variances(family, shape, mu):
    """V(μ), and its first two derivatives."""
    if family == POISSON:
        return mu, 1.0, 0.0
    if family == NEGATIVE_BINOMIAL:
        return mu + mu * mu / shape, 1.0 + 2.0 * mu / shape, 2.0 / shape
    if family == GAMMA:
        return mu * mu, 2.0 * mu, 2.0
    if family == INVERSE_GAUSSIAN:
        return mu**3, 3.0 * mu * mu, 6.0 * mu
    return 1.0, 0.0, 0.0


@jit(entry=False)
def shape_slopes(link, observed, shape, y, w, eta):
    """Derivatives in log(shape) of w d, the score and the information: negative binomial."""
    mu, d, d2 = inverse(link, eta)
    v, dv = mu + mu * mu / shape, 1.0 + 2.0 * mu / shape
    to_v, to_dv = -mu * mu / shape, -2.0 * mu / shape  # of V and V', in log(shape)
    ratio = (y - mu) / (mu + shape)
    log_ratio = _log_ratio(y + shape, mu + shape, ratio)
    score = -w * (y - mu) * d * to_v / (v * v)
    information = -w * d * d * to_v / (v * v)
    if observed:
        change = -d2 * to_v / (v * v) - d * d * (to_dv / (v * v) - 2.0 * dv * to_v / v**3)
        information -= w * (y - mu) * change
    return 2.0 * w * shape * (ratio - log_ratio), score, information


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


def dispersion(family: int, w, penalised: float) -> float:
    """φ that minimises ``penalised / φ + saturated(family, y, w, shape, φ)``.

    Parameters
    ----------
    family : int
        One of `DISPERSED`.
    w : ndarray, shape (n,)
    penalised : float
        Σ w d + u'u at the mode.

    Returns
    -------
    float
        0 where rows are fitted perfectly, so that there is no minimum.
    """
    if family != GAMMA or not penalised > 0:
        return penalised / len(w)
    from scipy.optimize import brentq

    unique, counts = np.unique(w, return_counts=True)

    def slope(phi: float) -> float:
        return penalised / 2 - np.sum(counts * unique * _gamma_peak_slope(unique / phi))

    # log a - psi(a) lies between 1/(2a) and 1/a, so that φ lies between the mean and its half.
    lower, upper = 0.4999 * penalised / len(w), 1.0001 * penalised / len(w)
    if slope(lower) * slope(upper) >= 0:  # all digits lost: φ is next to nothing
        return penalised / len(w)
    return float(brentq(slope, lower, upper, xtol=1e-300, rtol=1e-13))


def entropy(family: int, y) -> np.ndarray:
    """What a binomial or Poisson log-density takes from the mean, where that is y: shape (n,)."""
    from scipy.special import xlogy

    return entropies(y) if family == BINOMIAL else xlogy(y, y) - y


def saturated(family: int, y, w, shape: float, dispersion: float) -> float:
    """-2 log-likelihood of a perfect fit: what does not depend on the means.

    Parameters
    ----------
    family : int
    y, w : ndarray, shape (n,)
    shape, dispersion : float

    Returns
    -------
    float
    """
    if family == BINOMIAL:
        from scipy.special import gammaln

        if (w == 1).all() and np.isin(y, (0.0, 1.0)).all():
            return 0.0  # what is left of a Bernoulli response, without a gamma function a row
        rows = gammaln(w + 1) - gammaln(w * y + 1) - gammaln(w * (1 - y) + 1)
        rows += w * entropy(family, y)
    elif family in (POISSON, NEGATIVE_BINOMIAL):
        some = np.where(y > 0, y, 1.0)
        rows = w * np.where(y > 0, _gamma_peak(some) - np.log(some), 0.0)
        if family == NEGATIVE_BINOMIAL:
            return float(-2 * np.sum(rows)) + saturated_by_shape(y, w, shape)
    elif family == GAMMA:
        rows = _gamma_peak(w / dispersion) - np.log(y)
    elif family == INVERSE_GAUSSIAN:
        rows = -0.5 * np.log(2 * np.pi * y**3 * dispersion / w)
    else:
        rows = -0.5 * np.log(2 * np.pi * dispersion / w)
    return float(-2 * np.sum(rows))


def saturated_by_shape(y, w, shape: float) -> float:
    """What the negative binomial's `saturated` has besides a Poisson distribution's."""
    if not shape < np.inf:
        return 0.0
    peaks = _gamma_peak(np.append(shape, shape + y))
    return float(-2 * (w @ (peaks[0] - peaks[1:])))


def saturated_slope(family: int, y, w, shape: float, dispersion: float) -> float:
    """Derivative of `saturated` in log(shape), or in log φ for `DISPERSED` families."""
    if family == NEGATIVE_BINOMIAL:
        slopes = _gamma_peak_slope(np.append(shape, shape + y))
        return float(-2 * shape * (w @ (slopes[0] - slopes[1:])))
    if family == GAMMA:
        a = w / dispersion
        return float(2 * np.sum(a * _gamma_peak_slope(a)))
    return float(len(y)) if family in DISPERSED else 0.0


#: From here on, Stirling's series for log Γ is exact to rounding.
_STIRLING = 16.0


def _stirling(x):
    """log Γ(x) - (x - 1/2) log x + x - log(2π)/2, and its derivative, for x ≥ 16."""
    s = 1 / x**2
    value = (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188)))) / x
    slope = -s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s / 132))))
    return value, slope


def _gamma_peak(a) -> np.ndarray:
    """a log a - a - log Γ(a), without the cancellation that large a bring.

    Of the densities of counts and of the gamma family at μ = y little else is left: their powers
    and exponentials cancel.
    """
    from scipy.special import gammaln

    large = np.maximum(a, _STIRLING)
    series = 0.5 * np.log(large / (2 * np.pi)) - _stirling(large)[0]
    return np.where(a < _STIRLING, a * np.log(a) - a - gammaln(a), series)


def _gamma_peak_slope(a) -> np.ndarray:
    """Derivative of `_gamma_peak`: log a - ψ(a)."""
    from scipy.special import psi

    large = np.maximum(a, _STIRLING)
    return np.where(a < _STIRLING, np.log(a) - psi(a), 0.5 / large - _stirling(large)[1])
