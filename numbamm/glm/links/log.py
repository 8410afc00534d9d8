"""The logarithm: μ = exp(η)."""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.link import Link, log1mexp, safe_exp


@jit
def _exponential(eta):
    mu = safe_exp(eta)
    return mu, mu, mu, mu


@jit
def _logarithms(eta):
    log_rest = log1mexp(-eta) if eta < 0.0 else np.nan
    return eta if eta < 0.0 else np.nan, log_rest, 1.0, math.exp(eta - log_rest), 1.0, 1.0


LINK = Link(
    "log",
    forward=np.log,
    derivatives=_exponential,
    logarithms=_logarithms,
    whole_line=True,
    positive=True,
    unitless=True,
    unit=1.0,
    base=np.e,
    marginaleffects="poisson",
)
