"""The probit: μ = Φ(η), the normal distribution function."""

from __future__ import annotations

import math

from numbamm.blocks.jit import jit
from numbamm.glm.link import Link

_ROOT_2PI = math.sqrt(2 * math.pi)
_LOG_ROOT_2PI = math.log(_ROOT_2PI)


@jit
def _normal(eta):
    d = math.exp(-0.5 * eta * eta) / _ROOT_2PI
    return 0.5 * math.erfc(-eta / math.sqrt(2.0)), d, -eta * d, (eta * eta - 1.0) * d


@jit
def _logarithms(eta):
    # By logarithms: far from 0 the density and the tail underflow, but their ratio does not.
    log_mu, log_rest, log_d = _log_phi(eta), _log_phi(-eta), -0.5 * eta * eta - _LOG_ROOT_2PI
    to_mu, to_rest = math.exp(log_d - log_mu), math.exp(log_d - log_rest)
    return log_mu, log_rest, to_mu, to_rest, -eta, eta * eta - 1.0


@jit
def _log_phi(x):
    """Logarithm of the normal distribution function."""
    if x > 0.0:
        return math.log1p(-0.5 * math.erfc(x / math.sqrt(2.0)))
    if x > -20.0:
        return math.log(0.5 * math.erfc(-x / math.sqrt(2.0)))
    s = 1.0 / (x * x)  # the asymptotic series; the next term is below rounding errors
    series = 1.0 - s * (1.0 - 3.0 * s * (1.0 - 5.0 * s * (1.0 - 7.0 * s * (1.0 - 9.0 * s))))
    return -0.5 * x * x - math.log(-x * _ROOT_2PI) + math.log(series)


def _quantile(mu):
    from scipy.special import ndtri

    return ndtri(mu)


LINK = Link(
    "probit",
    forward=_quantile,
    derivatives=_normal,
    logarithms=_logarithms,
    onto_unit=True,
    whole_line=True,
    unitless=True,
    symmetric=True,
    unit=0.6,
    latent_variance=1.0,
    marginaleffects="binomial",
)
