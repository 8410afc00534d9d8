"""The Gaussian family: variance φ."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.exponential import mean_rows
from numbamm.glm.family import Family


@jit
def _deviance(shape, y, mu):
    return (y - mu) ** 2


@jit
def _variances(shape, mu):
    return 1.0, 0.0, 0.0


def _quantile(p, mu, w, phi):
    from scipy.stats import norm

    return norm.ppf(p, mu, np.sqrt(phi / w))


FAMILY = Family(
    "gaussian",
    words="Gaussian",
    link="identity",
    canonical="identity",
    aliases=("normal",),
    support="numbers",
    supports=lambda y: ~np.isnan(y),
    rows=mean_rows(_deviance, _variances),
    dispersed=True,
    normal=True,
    concave=("identity",),
    weights="precision",
    variance=lambda mu: np.ones_like(mu),
    saturated=lambda w, phi: -0.5 * np.log(2 * np.pi * phi / w),
    saturated_slope=lambda w: np.full(len(w), -0.5),
    draw=lambda rng, mu, w, phi: rng.normal(mu, np.sqrt(phi / w)),
    quantile=_quantile,
)
