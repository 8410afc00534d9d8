"""The gamma family: variance φμ²."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.glm.exponential import log_ratio, mean_rows
from numbamm.glm.family import SIZES, Family
from numbamm.glm.gammas import gamma_peak, gamma_peak_slope


@jit
def _deviance(shape, y, mu):
    if not mu > 0.0:
        return np.nan
    excess = (y - mu) / mu
    return 2.0 * (excess - log_ratio(y, mu, excess))


@jit
def _variances(shape, mu):
    return mu * mu, 2.0 * mu, 2.0


def _dispersion(w, penalised):
    """The maximum likelihood estimate of φ: the numerical root of the derivative."""
    if not penalised > 0:
        return penalised / len(w)
    from scipy.optimize import brentq

    unique, counts = np.unique(w, return_counts=True)

    def slope(phi: float) -> float:
        return penalised / 2 - np.sum(counts * unique * gamma_peak_slope(unique / phi))

    # log a - psi(a) lies between 1/(2a) and 1/a, so that φ lies between half the mean and the mean.
    lower, upper = 0.4999 * penalised / len(w), 1.0001 * penalised / len(w)
    if slope(lower) * slope(upper) >= 0:  # both are rounding errors: φ is tiny
        return penalised / len(w)
    return float(brentq(slope, lower, upper, xtol=1e-300, rtol=1e-13))


def _quantile(p, mu, w, phi):
    from scipy.stats import gamma

    return gamma.ppf(p, w / phi, scale=mu * phi / w)


FAMILY = Family(
    "gamma",
    link="inverse",
    canonical="inverse",
    aliases=("zigamma",),  # glmmTMB's name where a hurdle adds zeros
    **SIZES,
    rows=mean_rows(_deviance, _variances),
    concave=("log", "inverse"),
    trigamma=True,
    variance=lambda mu: mu**2,
    dispersion=_dispersion,
    saturated=lambda y, w, phi: gamma_peak(w / phi) - np.log(y),
    saturated_slope=lambda w, phi: -w / phi * gamma_peak_slope(w / phi),
    draw=lambda rng, mu, w, phi: rng.gamma(w / phi, mu * phi / w),
    quantile=_quantile,
)
