"""The log-log link: μ = exp(-exp(-η))."""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.link import Link, log1mexp, safe_exp


@jit
def _gumbel(eta):
    e = safe_exp(-eta)
    d = safe_exp(-eta - e)
    return math.exp(-e), d, d * (e - 1.0), d * ((1.0 - e) * (1.0 - e) - e)


@jit
def _logarithms(eta):
    e = safe_exp(-eta)
    log_rest = log1mexp(e)
    return -e, log_rest, e, math.exp(-eta - e - log_rest), e - 1.0, (1.0 - e) * (1.0 - e) - e


LINK = Link(
    "loglog",
    forward=lambda mu: -np.log(-np.log(mu)),
    derivatives=_gumbel,
    logarithms=_logarithms,
    onto_unit=True,
    whole_line=True,
    unitless=True,
    unit=1.0,
    latent_variance=np.pi**2 / 6,
)
