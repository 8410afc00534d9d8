"""The logit: μ = 1 / (1 + exp(-η))."""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.link import Link, safe_exp


@jit
def _logistic(eta):
    e = safe_exp(-abs(eta))
    small, large = e / (1.0 + e), 1.0 / (1.0 + e)
    d = small * large
    d2 = d * (small - large if eta > 0 else large - small)
    return large if eta > 0 else small, d, d2, d - 6.0 * d * d


@jit
def _logarithms(eta):
    e = safe_exp(-abs(eta))
    both, small, large = math.log1p(e), e / (1.0 + e), 1.0 / (1.0 + e)
    twist = 1.0 - 6.0 * small * large
    if eta > 0:
        return -both, -eta - both, small, large, small - large, twist
    return eta - both, -both, large, small, large - small, twist


LINK = Link(
    "logit",
    forward=lambda mu: np.log(mu) - np.log1p(-mu),
    derivatives=_logistic,
    logarithms=_logarithms,
    onto_unit=True,
    whole_line=True,
    unitless=True,
    symmetric=True,
    unit=1.0,
    latent_variance=np.pi**2 / 3,
    base=np.e,
    ratio="odds ratio",
    marginaleffects="binomial",
)
