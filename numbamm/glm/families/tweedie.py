"""The Tweedie family, a sum of Poisson many gamma variables: variance φμᵖ with 1 < p < 2.

With a = (2 - p)/(p - 1) the log-density of y > 0 is

    log Σ_j W_j - log y + [y μ^(1-p) / (1 - p) - μ^(2-p) / (2 - p)] / φ
    W_j = zʲ / (j! Γ(ja)),   log z = a log y - a log(p - 1) - (1 + a) log φ - log(2 - p)

and the series does not depend on μ. Its largest term is near j = y^(2-p) / (φ (2 - p)).

Source: Dunn & Smyth (2005), Stat. Comput. 15, 267.
"""

from __future__ import annotations

import math

import numpy as np
from numba.core import types
from numba.extending import overload

from numbamm.blocks.jit import jit
from numbamm.glm.family import Family
from numbamm.glm.jets import Mixed, _is_jet
from numbamm.glm.parts.density_rows import BETWEEN_1_AND_2
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import HALF_LOG_TAU, _remainder_derivatives

#: Terms below exp(-ENOUGH) of the largest are left out.
ENOUGH = 36.0
#: log j! of small j.
LOG_FACTORIALS = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, 512.0)))])


@jit
def _series_derivatives(y, phi, p, full):
    """log Σ W_j and, if `full`, its derivatives in φ and p."""
    a = (2.0 - p) / (p - 1.0)
    da = -1.0 / ((p - 1.0) * (p - 1.0))
    base = math.log(y) - math.log(p - 1.0) - math.log(phi)
    log_z = a * base - math.log(phi) - math.log(2.0 - p)
    dz = da * base - a / (p - 1.0) + 1.0 / (2.0 - p)
    peak = max(1.0, math.floor(math.exp((2.0 - p) * math.log(y)) / (phi * (2.0 - p)) + 0.5))
    # The terms fall off about as those of a normal distribution of variance peak / (1 + a).
    step = max(1.0, math.floor(math.sqrt(peak / (1.0 + a)) / 5.0))
    most, total, mean, psi_mean = -np.inf, 0.0, 0.0, 0.0
    for direction in range(2):
        j = peak if direction == 0 else peak - step
        while j >= 1.0:
            ja = j * a
            r, r1, _, _ = _remainder_derivatives(ja)
            log_ja = math.log(ja)
            log_gamma = (ja - 0.5) * log_ja - ja + HALF_LOG_TAU + r
            log_factorial = LOG_FACTORIALS[int(j)] if j < 511.5 else math.lgamma(j + 1.0)
            log_w = j * log_z - log_factorial - log_gamma
            if log_w > most:
                scale = math.exp(most - log_w) if most > -np.inf else 0.0
                total, mean, psi_mean = total * scale, mean * scale, psi_mean * scale
                most = log_w
            w = math.exp(log_w - most)
            total += w
            if full:
                mean += w * j
                psi_mean += w * j * (log_ja - 0.5 / ja + r1)
            if log_w < most - ENOUGH:
                break
            j += step if direction == 0 else -step
    mean, psi_mean = mean / total, psi_mean / total
    value = most + math.log(total * step)
    return value, -(1.0 + a) * mean / phi, dz * mean - da * psi_mean


def series(y, phi, p):
    """log Σ W_j, which does not depend on μ."""
    raise NotImplementedError


@overload(series)
def _series(y, phi, p):
    if _is_jet(phi):

        def of_jets(y, phi, p):
            f, in_phi, in_p = _series_derivatives(y, phi.v, p.v, True)
            return Mixed(f, 0.0, 0.0, 0.0, in_phi * phi.s + in_p * p.s, 0.0, 0.0)

        return of_jets
    if isinstance(phi, types.Float):
        return lambda y, phi, p: _series_derivatives(y, phi, p, False)[0]
    return None


def density(y, mu, dispersion, power):
    log_mu = math.log(mu)
    rate = math.exp((2.0 - power) * log_mu) / (dispersion * (2.0 - power))
    if y <= 0.0:
        return rate * -1.0
    pull = math.exp((1.0 - power) * log_mu) * y / (dispersion * (power - 1.0))
    return (rate + pull) * -1.0 + series(y, dispersion, power) - math.log(y)


def _parts(mu, dispersion, power):
    """Rate of the number of gamma variables, their shape and their scale."""
    rate = mu ** (2 - power) / (dispersion * (2 - power))
    return rate, (2 - power) / (power - 1), dispersion * (power - 1) * mu ** (power - 1)


def _cdf(y, mu, dispersion, power):
    from scipy.special import gammainc, gammaln

    rate, shape, scale = np.broadcast_arrays(*_parts(mu, dispersion, power))
    total = np.exp(-rate)
    for j in range(1, int(np.max(rate + 12 * np.sqrt(rate) + 30, initial=1.0)) + 1):
        with np.errstate(divide="ignore"):
            weight = np.exp(j * np.log(rate) - rate - gammaln(j + 1))
        total = total + weight * gammainc(j * shape, np.maximum(y, 0.0) / scale)
    return np.where(y < 0, 0.0, np.minimum(total, 1.0))


def _draw(rng, mu, dispersion, power):
    rate, shape, scale = _parts(mu, dispersion, power)
    count = rng.poisson(rate)
    return np.where(count > 0, rng.gamma(np.maximum(count, 1) * shape, scale), 0.0)


FAMILY = Family(
    "tweedie",
    words="Tweedie",
    link="log",
    support="values of at least 0",
    supports=lambda y: y >= 0,
    means=(float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max)),
    aliases=("tw", "compoundpoisson", "cpglm"),
    density=density,
    dear=True,
    parameters=(
        Parameter("dispersion"),
        Parameter("power", BETWEEN_1_AND_2, starts=(0.0, -1.5, 1.5), limit="gamma"),
    ),
    variance=lambda mu, dispersion, power: dispersion * mu**power,
    cdf=_cdf,
    draw=_draw,
    zero=lambda mu, dispersion, power: np.exp(-_parts(mu, dispersion, power)[0]),
)
