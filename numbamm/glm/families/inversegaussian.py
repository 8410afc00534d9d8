"""The inverse Gaussian family: variance φμ³."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.exponential import mean_rows
from numbamm.glm.family import SIZES, Family


@jit
def _deviance(shape, y, mu):
    return ((y - mu) / mu) ** 2 / y if mu > 0.0 else np.nan


@jit
def _variances(shape, mu):
    return mu**3, 3.0 * mu * mu, 6.0 * mu


def _quantile(p, mu, w, phi):
    from scipy.stats import invgauss

    return invgauss.ppf(p, mu * phi / w, scale=w / phi)


FAMILY = Family(
    "inversegaussian",
    words="inverse Gaussian",
    link="inverse-squared",
    canonical="inverse-squared",
    **SIZES,
    rows=mean_rows(_deviance, _variances),
    concave=("inverse", "inverse-squared"),
    variance=lambda mu: mu**3,
    saturated=lambda y, w, phi: -0.5 * np.log(2 * np.pi * y**3 * phi / w),
    saturated_slope=lambda w: np.full(len(w), -0.5),
    draw=lambda rng, mu, w, phi: rng.wald(mu, w / phi),
    quantile=_quantile,
)
