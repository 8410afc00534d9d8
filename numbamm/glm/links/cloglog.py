"""The complementary log-log link: μ = 1 - exp(-exp(η))."""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.link import Link, log1mexp, safe_exp


@jit
def _gompertz(eta):
    e = safe_exp(eta)
    d = safe_exp(eta - e)
    return -math.expm1(-e), d, d * (1.0 - e), d * ((1.0 - e) * (1.0 - e) - e)


@jit
def _logarithms(eta):
    e = safe_exp(eta)
    log_mu = log1mexp(e)
    return log_mu, -e, math.exp(eta - e - log_mu), e, 1.0 - e, (1.0 - e) * (1.0 - e) - e


LINK = Link(
    "cloglog",
    forward=lambda mu: np.log(-np.log1p(-mu)),
    derivatives=_gompertz,
    logarithms=_logarithms,
    onto_unit=True,
    whole_line=True,
    unitless=True,
    unit=1.0,
    latent_variance=np.pi**2 / 6,
    hazard=True,
    marginaleffects="binomial",
)
