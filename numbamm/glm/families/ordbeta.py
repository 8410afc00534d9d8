"""The ordered beta family: proportions from 0 to 1, of which many may be 0 or 1.

With μ = Λ(η), an outcome is 0 with probability 1 - Λ(η - c₁), 1 with probability Λ(η - c₂), and
else from the beta distribution of mean μ.

Source: Kubinec (2023), Polit. Anal. 31, 519.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.glm.family import Family
from numbamm.glm.parts.density_rows import IDENTITY
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import HALF_LOG_TAU, remainder, softplus


def density(y, mu, rest, eta, precision, lower, log_gap):
    upper = lower + math.exp(log_gap)
    if y <= 0.0:
        return 0.0 * mu - softplus(eta - lower)
    if y >= 1.0:
        return 0.0 * mu - softplus(upper - eta)
    # Λ(η - c₁) - Λ(η - c₂) = Λ(η - c₁) Λ(c₂ - η) (1 - exp(c₁ - c₂))
    f = math.log(-math.expm1(-math.exp(log_gap)))
    f = f - softplus(lower - eta) - softplus(eta - upper)
    a, b = mu * precision, rest * precision
    far = a * (math.log(y) - math.log(mu)) + b * (math.log1p(-y) - math.log(rest))
    size = 0.5 * (math.log(mu) + math.log(rest) + math.log(precision)) - HALF_LOG_TAU
    rests = remainder(precision) - remainder(a) - remainder(b)
    return f + (far + size + rests - math.log(y) - math.log1p(-y))


def _shares(mu, lower, log_gap):
    """Probabilities of 0 and of 1."""
    from scipy.special import expit

    eta = np.log(mu) - np.log1p(-mu)
    upper = lower + np.exp(log_gap)
    return expit(lower - eta), expit(eta - upper)


def _expectation(mu, lower, log_gap):
    none, whole = _shares(mu, lower, log_gap)
    return whole + (1 - none - whole) * mu


def _variance(mu, precision, lower, log_gap):
    none, whole = _shares(mu, lower, log_gap)
    inner = mu * (1 - mu) / (1 + precision) + mu**2
    return whole + (1 - none - whole) * inner - _expectation(mu, lower, log_gap) ** 2


def _law(mu, precision):
    from scipy.stats import beta

    return beta(mu * precision, (1 - mu) * precision)


def _cdf(y, mu, precision, lower, log_gap):
    none, whole = _shares(mu, lower, log_gap)
    inside = none + (1 - none - whole) * _law(mu, precision).cdf(y)
    return np.where(y < 0, 0.0, np.where(y >= 1, 1.0, inside))


def _quantile(p, mu, precision, lower, log_gap):
    none, whole = _shares(mu, lower, log_gap)
    share = np.clip((p - none) / np.maximum(1 - none - whole, 1e-300), 0.0, 1.0)
    return np.where(p <= none, 0.0, np.where(p > 1 - whole, 1.0, _law(mu, precision).ppf(share)))


FAMILY = Family(
    "ordbeta",
    words="ordered beta",
    link="logit",
    only_link=True,
    support="values from 0 to 1",
    supports=lambda y: (y >= 0) & (y <= 1),
    unit=True,
    means=(0.0, 1.0),
    largest=1.0,
    example=0.5,
    aliases=("orderedbeta",),
    density=density,
    parameters=(
        Parameter("precision", perfect=1.0),
        Parameter(
            "lower",
            IDENTITY,
            starts=(-1.5, 0.0, -3.0),
            words="lower cutpoint",
            limit="beta",
            at=-np.inf,
        ),
        Parameter(
            "log_gap",
            IDENTITY,
            starts=(1.0, 0.0, 2.0),
            words="log of the cutpoints' gap",
            ends={
                1.0: "no response is 1, and the upper cutpoint says nothing",
                -1.0: "no response is between 0 and 1",
            },
        ),
    ),
    expectation=_expectation,
    variance=_variance,
    cdf=_cdf,
    draw=lambda rng, mu, precision, lower, log_gap: _quantile(
        rng.uniform(size=len(mu)), mu, precision, lower, log_gap
    ),
    quantile=_quantile,
    zero=lambda mu, lower, log_gap: _shares(mu, lower, log_gap)[0],
)
