"""The cauchit: μ = 1/2 + arctan(η)/π, the Cauchy distribution function."""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.link import Link


@jit
def _cauchy(eta):
    d = 1.0 / (math.pi * (1.0 + eta * eta))
    mu = math.atan(-1.0 / eta) / math.pi if eta < -1.0 else 0.5 + math.atan(eta) / math.pi
    d3 = 2.0 * math.pi * d * d * (4.0 * math.pi * eta * eta * d - 1.0)
    return mu, d, -2.0 * math.pi * eta * d * d, d3


@jit
def _logarithms(eta):
    log_mu, log_rest = _log_cauchy(eta), _log_cauchy(-eta)
    _, d, d2, d3 = _cauchy(eta)
    return log_mu, log_rest, d / math.exp(log_mu), d / math.exp(log_rest), d2 / d, d3 / d


@jit
def _log_cauchy(x):
    """Logarithm of the Cauchy distribution function."""
    if x < -1.0:
        return math.log(math.atan(-1.0 / x) / math.pi)
    if x > 1.0:
        return math.log1p(-math.atan(1.0 / x) / math.pi)
    return math.log(0.5 + math.atan(x) / math.pi)


LINK = Link(
    "cauchit",
    forward=lambda mu: np.tan(np.pi * (mu - 0.5)),
    derivatives=_cauchy,
    logarithms=_logarithms,
    aliases=("cauchy",),
    onto_unit=True,
    whole_line=True,
    symmetric=True,
    heavy=True,
    extreme=1e-3,  # tails are heavy: separated means come no closer to 0 or 1
    unit=10.0,
    latent_variance=np.inf,
)
