"""Link functions: η to μ with its derivatives, compiled, one code each.

Every link is known by what the likelihoods need of it at η: μ itself, the first two derivatives
of μ, and, for links onto (0, 1), μ and 1 - μ by their logarithms, which stay exact where one of
them rounds to 0.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGER, MATRIX, REALS

IDENTITY, LOG, LOGIT, PROBIT, CLOGLOG, LOGLOG, CAUCHIT, INVERSE, INVERSE_SQUARED, SQRT = range(10)

NAMES = {
    "identity": IDENTITY,
    "log": LOG,
    "logit": LOGIT,
    "probit": PROBIT,
    "cloglog": CLOGLOG,
    "loglog": LOGLOG,
    "cauchit": CAUCHIT,
    "inverse": INVERSE,
    "inverse-squared": INVERSE_SQUARED,
    "sqrt": SQRT,
}

#: Links whose η is a logarithm or a quantile, and has no unit.
UNITLESS = (LOG, LOGIT, PROBIT, CLOGLOG, LOGLOG)

#: Links that allow any η; with the binomial family, the logarithm does not.
UNBOUNDED = (LOGIT, PROBIT, CLOGLOG, LOGLOG, CAUCHIT)

_LARGEST = 700.0  # exp of more overflows
_ROOT_2PI = math.sqrt(2 * math.pi)
_LOG_ROOT_2PI = math.log(_ROOT_2PI)


@jit(entry=False)
def safe_exp(x):
    """exp(x), with x held where exp neither overflows nor vanishes."""
    return math.exp(min(max(x, -_LARGEST), _LARGEST))


@jit
def is_bounded(unit, link):
    """Whether some η are no means; `unit` says that means are within (0, 1)."""
    return link in (IDENTITY, INVERSE, INVERSE_SQUARED, SQRT) or (unit and link == LOG)


@jit
def inverse(link, eta):
    """μ, dμ/dη and d²μ/dη² at η.

    Parameters
    ----------
    link : int
        One of the codes in `NAMES`.
    eta : float64

    Returns
    -------
    tuple of three float64
    """
    if link == LOGIT:
        e = safe_exp(-abs(eta))
        small, large = e / (1.0 + e), 1.0 / (1.0 + e)
        mu = large if eta > 0 else small
        d = small * large
        return mu, d, d * (small - large if eta > 0 else large - small)
    if link == LOG:
        mu = safe_exp(eta)
        return mu, mu, mu
    if link == IDENTITY:
        return eta, 1.0, 0.0
    if link == PROBIT:
        d = math.exp(-0.5 * eta * eta) / _ROOT_2PI
        return 0.5 * math.erfc(-eta / math.sqrt(2.0)), d, -eta * d
    if link == CLOGLOG:
        e = safe_exp(eta)
        d = safe_exp(eta - e)
        return -math.expm1(-e), d, d * (1.0 - e)
    if link == LOGLOG:
        e = safe_exp(-eta)
        d = safe_exp(-eta - e)
        return math.exp(-e), d, d * (e - 1.0)
    if link == CAUCHIT:
        d = 1.0 / (math.pi * (1.0 + eta * eta))
        mu = math.atan(-1.0 / eta) / math.pi if eta < -1.0 else 0.5 + math.atan(eta) / math.pi
        return mu, d, -2.0 * math.pi * eta * d * d
    if link == INVERSE:
        return 1.0 / eta, -1.0 / (eta * eta), 2.0 / (eta * eta * eta)
    if link == INVERSE_SQUARED:
        mu = 1.0 / math.sqrt(eta)
        return mu, -0.5 * mu / eta, 0.75 * mu / (eta * eta)
    return eta * eta, 2.0 * eta, 2.0  # SQRT


@jit(entry=False)
def third(link, eta):
    """d³μ/dη³ at η."""
    if link == LOGIT:
        d = inverse(link, eta)[1]
        return d - 6.0 * d * d
    if link == LOG:
        return safe_exp(eta)
    if link == PROBIT:
        return (eta * eta - 1.0) * math.exp(-0.5 * eta * eta) / _ROOT_2PI
    if link == CLOGLOG or link == LOGLOG:
        away = eta if link == CLOGLOG else -eta
        e = safe_exp(away)
        return safe_exp(away - e) * ((1.0 - e) * (1.0 - e) - e)
    if link == CAUCHIT:
        d = 1.0 / (math.pi * (1.0 + eta * eta))
        return 2.0 * math.pi * d * d * (4.0 * math.pi * eta * eta * d - 1.0)
    if link == INVERSE:
        return -6.0 / eta**4
    if link == INVERSE_SQUARED:
        return -1.875 / (eta**3 * math.sqrt(eta))
    return 0.0  # IDENTITY, SQRT


@jit
def log_unit(link, eta):
    """log μ and log(1 - μ), exact in both tails of a link onto (0, 1); NaN for no such mean."""
    if link == LOGIT:
        both = math.log1p(safe_exp(-abs(eta)))
        return (-both, -eta - both) if eta > 0 else (eta - both, -both)
    if link == PROBIT:
        return _log_phi(eta), _log_phi(-eta)
    if link == CLOGLOG:
        e = safe_exp(eta)
        return _log1mexp(e), -e
    if link == LOGLOG:
        e = safe_exp(-eta)
        return -e, _log1mexp(e)
    if link == CAUCHIT:
        return _log_cauchy(eta), _log_cauchy(-eta)
    if link == LOG:
        return (eta, _log1mexp(-eta)) if eta < 0.0 else (np.nan, np.nan)
    mu = inverse(link, eta)[0]
    return (math.log(mu), math.log1p(-mu)) if 0.0 < mu < 1.0 else (np.nan, np.nan)


@jit(entry=False)
def unit_slopes(link, eta, log_mu, log_rest):
    """dμ/dη over μ and over 1 - μ, and d²μ/dη² over dμ/dη, also far out in the tails.

    Parameters
    ----------
    link : int
    eta, log_mu, log_rest : float64
        η, and `log_unit` there.

    Returns
    -------
    tuple of three float64
    """
    # By logarithms, since all of them are next to 0 in the tails, and their ratios not.
    if link == PROBIT:
        log_d = -0.5 * eta * eta - _LOG_ROOT_2PI
        return math.exp(log_d - log_mu), math.exp(log_d - log_rest), -eta
    if link == CLOGLOG:
        e = safe_exp(eta)
        return math.exp(eta - e - log_mu), e, 1.0 - e
    if link == LOGLOG:
        e = safe_exp(-eta)
        return e, math.exp(-eta - e - log_rest), e - 1.0
    if link == LOG:
        return 1.0, math.exp(eta - log_rest), 1.0
    _, d, d2 = inverse(link, eta)
    return d / math.exp(log_mu), d / math.exp(log_rest), d2 / d


@jit(entry=False)
def third_slope(link, eta):
    """d³μ/dη³ over dμ/dη for a link onto (0, 1), also far out in the tails."""
    if link == PROBIT:
        return eta * eta - 1.0
    if link == CLOGLOG or link == LOGLOG:
        e = safe_exp(eta if link == CLOGLOG else -eta)
        return (1.0 - e) * (1.0 - e) - e
    if link == LOG:
        return 1.0
    return third(link, eta) / inverse(link, eta)[1]


@jit
def _log1mexp(x):
    """log(1 - exp(-x)) for x > 0."""
    return math.log(-math.expm1(-x)) if x < 0.6931 else math.log1p(-math.exp(-x))


@jit
def _log_phi(x):
    """Logarithm of the normal distribution function."""
    if x > 0.0:
        return math.log1p(-0.5 * math.erfc(x / math.sqrt(2.0)))
    if x > -20.0:
        return math.log(0.5 * math.erfc(-x / math.sqrt(2.0)))
    s = 1.0 / (x * x)  # the asymptotic series: its next term is below rounding here
    series = 1.0 - s * (1.0 - 3.0 * s * (1.0 - 5.0 * s * (1.0 - 7.0 * s * (1.0 - 9.0 * s))))
    return -0.5 * x * x - math.log(-x * _ROOT_2PI) + math.log(series)


@jit
def _log_cauchy(x):
    """Logarithm of the Cauchy distribution function."""
    if x < -1.0:
        return math.log(math.atan(-1.0 / x) / math.pi)
    if x > 1.0:
        return math.log1p(-math.atan(1.0 / x) / math.pi)
    return math.log(0.5 + math.atan(x) / math.pi)


def mean(link: int, eta) -> np.ndarray:
    """μ for an array of η, shape (n,)."""
    mu = np.empty((2, len(eta)))
    means(link, eta, mu)
    return mu[0]


def slope(link: int, eta) -> np.ndarray:
    """dμ/dη for an array of η, shape (n,)."""
    mu = np.empty((2, len(eta)))
    means(link, eta, mu)
    return mu[1]


@jit(takes=(INTEGER, REALS, MATRIX))
def means(link, eta, out):
    """Fill ``out``, shape (2, n), with μ and dμ/dη for an array of η."""
    for i in range(len(eta)):
        mu, d, _ = inverse(link, eta[i])
        out[0, i], out[1, i] = mu, d


def forward(link: int, mu) -> np.ndarray:
    """η at means μ, shape (n,), by numpy: for starting values."""
    from scipy.special import ndtri

    table = {
        IDENTITY: lambda m: m,
        LOG: np.log,
        LOGIT: lambda m: np.log(m) - np.log1p(-m),
        PROBIT: ndtri,
        CLOGLOG: lambda m: np.log(-np.log1p(-m)),
        LOGLOG: lambda m: -np.log(-np.log(m)),
        CAUCHIT: lambda m: np.tan(np.pi * (m - 0.5)),
        INVERSE: lambda m: 1 / m,
        INVERSE_SQUARED: lambda m: 1 / m**2,
        SQRT: np.sqrt,
    }
    with np.errstate(all="ignore"):  # NaN says that the link knows no such mean
        return table[link](np.asarray(mu, dtype=np.float64))
