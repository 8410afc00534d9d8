"""The Conway–Maxwell–Poisson family by its mean: more or less variable than the Poisson one.

P(y) = exp(yθ - ν log y! - ζ(θ, ν)) with ν = 1/φ, and θ such that the mean is μ. With V, κ₃ and κ₄
the cumulants of y, C its covariance with L = log y!, and derivatives at a fixed mean,

    ∂θ/∂log μ = μ/V     ∂θ/∂ν = C/V     ∂V/∂ν = κ₃C/V - cum(y, y, L)
    ∂κ₃/∂ν = κ₄C/V - cum(y, y, y, L)

so that one sum over the counts gives the log-density and all its derivatives.

Sources: Huang (2017), Stat. Model. 17, 359; Ribeiro et al. (2020), Stat. Model. 20, 444.
"""

from __future__ import annotations

import math

import numpy as np
from numba.core import types
from numba.extending import overload

from numbamm.blocks.jit import jit
from numbamm.glm.family import COUNTS, Family
from numbamm.glm.jets import Jet, Mixed, _is_jet
from numbamm.glm.parts import summed
from numbamm.glm.parts.parameter import Parameter

#: A sum ends where terms are below exp(-ENOUGH) of the largest, or after MOST_TERMS. Halley's
#: method: most steps, and the step in log μ after which none is needed.
ENOUGH, MOST_STEPS, CLOSE, MOST_TERMS = 38.0, 60, 1e-5, 2e5


@jit
def _sums(theta, nu, full):
    """log Σ exp(jθ - ν log j!), the cumulants of j and, if `full`, those with log j!.

    Returns ζ, μ, V, κ₃, κ₄, E L, C, cum(j, j, L), cum(j, j, j, L).
    """
    centre = math.floor(math.exp(min(theta / nu, 40.0)))  # the largest term
    base = centre * theta - nu * math.lgamma(centre + 1.0)
    n0 = n1 = n2 = n3 = n4 = l1 = l11 = l21 = l31 = 0.0
    top = math.lgamma(centre + 1.0)
    for direction in range(2):
        log_w, d, rise = 0.0, 0.0, 0.0  # of the term centre + d; rise is log j! - log centre!
        if direction == 1:
            if centre < 1.0:
                break
            last = math.log(centre)
            log_w, d, rise = nu * last - theta, -1.0, -last
        while True:
            w = math.exp(log_w)
            n0 += w
            n1 += w * d
            n2 += w * d * d
            n3 += w * d * d * d
            n4 += w * d * d * d * d
            if full:
                l1 += w * rise
                l11 += w * rise * d
                l21 += w * rise * d * d
                l31 += w * rise * d * d * d
            if not (log_w >= -ENOUGH and abs(d) < MOST_TERMS):
                break
            if direction == 0:
                d += 1.0
                step = math.log(centre + d)
                log_w += theta - nu * step
                rise += step
            else:
                if centre + d < 1.0:
                    break
                step = math.log(centre + d)
                log_w -= theta - nu * step
                rise -= step
                d -= 1.0
    zeta = base + math.log(n0)
    m1, m2 = n1 / n0, n2 / n0
    variance = m2 - m1 * m1
    m3, m4 = n3 / n0, n4 / n0
    third = m3 - 3.0 * m1 * m2 + 2.0 * m1 * m1 * m1
    fourth = m4 - 4.0 * m1 * m3 + 6.0 * m1 * m1 * m2 - 3.0 * m1**4 - 3.0 * variance * variance
    if not full:
        return zeta, centre + m1, variance, third, fourth, 0.0, 0.0, 0.0, 0.0
    e, e1, e2, e3 = l1 / n0, l11 / n0, l21 / n0, l31 / n0
    c = e1 - m1 * e
    c2 = e2 - 2.0 * m1 * e1 + m1 * m1 * e - variance * e
    c3 = e3 - 3.0 * m1 * e2 + 3.0 * m1 * m1 * e1 - m1**3 * e - third * e - 3.0 * variance * c
    return zeta, centre + m1, variance, third, fourth, top + e, c, c2, c3


@jit
def _natural(log_mu, nu):
    """θ at which the mean is μ, by Halley's method for the logarithm of the mean."""
    mu = math.exp(log_mu)
    shifted = mu + (nu - 1.0) / (2.0 * nu)
    theta = nu * math.log(shifted) if shifted > 0.5 else log_mu
    if nu < 1.0:  # for ν → 0 the distribution is geometric, with θ < 0
        theta = min(theta, log_mu - math.log1p((1.0 - nu) * mu) + nu * math.log1p(mu))
    for _ in range(MOST_STEPS):
        _, mean, variance, third, _, _, _, _, _ = _sums(theta, nu, False)
        if not (mean > 0.0 and variance > 0.0):
            theta += 1.0
            continue
        gap, slope = math.log(mean) - log_mu, variance / mean
        step = gap / slope
        bend = third / mean - slope * slope  # of log mean; Halley's correction
        share = 1.0 - 0.5 * step * bend / slope
        step = step / share if share > 0.5 else step
        limit = 0.5 * max(nu, 0.1) + 0.5
        theta -= min(max(step, -limit), limit)
        if not abs(step) * slope > CLOSE:  # the error is of the order of its cube
            break
    return theta


@jit
def _log_density(y, log_mu, nu, full):
    """l and its derivatives in x = log μ and ν: l, lₓ, lₓₓ, lₓₓₓ, l_ν, lₓν, lₓₓν."""
    mu = math.exp(log_mu)
    if not (1e-12 < mu < 1e9 and 1e-6 < nu < 1e6):
        return np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan
    theta = _natural(log_mu, nu)
    zeta, _, V, k3, k4, mean_log, C, c21, c31 = _sums(theta, nu, full)
    log_y, gap = math.lgamma(y + 1.0), y - mu
    g = mu / V
    g1 = g - g * g * k3 / V
    g2 = g1 - 2.0 * g * g1 * k3 / V - g * g * (k4 * g / V - k3 * k3 * g / (V * V))
    V_nu = k3 * C / V - c21
    k3_nu = k4 * C / V - c31
    g_nu = -mu * V_nu / (V * V)
    g1_nu = g_nu - 2.0 * g * g_nu * k3 / V - g * g * (k3_nu / V - k3 * V_nu / (V * V))
    return (
        y * theta - nu * log_y - zeta,
        gap * g,
        -mu * g + gap * g1,
        -mu * g - 2.0 * mu * g1 + gap * g2,
        mean_log - log_y + gap * C / V,
        gap * g_nu,
        -mu * g_nu + gap * g1_nu,
    )


def log_density(y, log_mu, nu):
    """The log-density at the logarithm of the mean."""
    raise NotImplementedError


@overload(log_density)
def _of_kinds(y, log_mu, nu):
    if isinstance(nu, types.Float):

        def of_jet(y, log_mu, nu):
            f, f1, f2, f3, _, _, _ = _log_density(y, log_mu.v, nu, False)
            x = log_mu
            c = f1 * x.c + 3.0 * f2 * x.a * x.b + f3 * x.a * x.a * x.a
            return Jet(f, f1 * x.a, f1 * x.b + f2 * x.a * x.a, c)

        return of_jet
    if _is_jet(nu):

        def of_mixed(y, log_mu, nu):
            f, f1, f2, f3, s, s1, s2 = _log_density(y, log_mu.v, nu.v, True)
            x = log_mu
            c = f1 * x.c + 3.0 * f2 * x.a * x.b + f3 * x.a * x.a * x.a
            bend = (s2 * x.a * x.a + s1 * x.b) * nu.s
            return Mixed(f, f1 * x.a, f1 * x.b + f2 * x.a * x.a, c, s * nu.s, s1 * x.a * nu.s, bend)

        return of_mixed
    return None


def density(y, mu, dispersion):
    return log_density(y, math.log(mu), 1.0 / dispersion)


@jit(owns=True)
def laws(mu, nu):
    """θ, ζ and the variance of each row, for arrays of shape (n,)."""
    out = np.empty((3, len(mu)))
    for i in range(len(mu)):
        theta = _natural(math.log(mu[i]), nu[i])
        sums = _sums(theta, nu[i], False)
        out[0, i], out[1, i], out[2, i] = theta, sums[0], sums[2]
    return out


def _laws(mu, dispersion):
    mu, nu = (
        np.ascontiguousarray(a, dtype=np.float64).ravel()
        for a in np.broadcast_arrays(mu, 1 / np.asarray(dispersion, dtype=np.float64))
    )
    return nu, laws(mu, nu)


def _log_pmf(mu, dispersion):
    from scipy.special import gammaln

    nu, (theta, zeta, _) = _laws(mu, dispersion)
    return lambda k: k * theta - nu * gammaln(k + 1) - zeta


FAMILY = Family(
    "compois",
    words="Conway–Maxwell–Poisson",
    link="log",
    **COUNTS,
    aliases=("conwaymaxwellpoisson", "cmp", "compoisson", "cmpoisson"),
    density=density,
    dear=True,
    parameters=(
        Parameter(
            "dispersion",
            starts=(0.0, -1.0, 1.0),
            ends={
                1.0: "the distribution is geometric, and counts may vary more: family='nbinom2'",
                -1.0: "counts are next to their means",
            },
        ),
    ),
    variance=lambda mu, dispersion: _laws(mu, dispersion)[1][2].reshape(np.shape(mu)),
    cdf=lambda y, mu, dispersion: summed.cdf(_log_pmf(mu, dispersion), y),
    draw=lambda rng, mu, dispersion: summed.quantile(
        _log_pmf(mu, dispersion), rng.uniform(size=len(mu))
    ),
    quantile=lambda p, mu, dispersion: summed.quantile(_log_pmf(mu, dispersion), p),
    zero=lambda mu, dispersion: np.exp(_log_pmf(mu, dispersion)(0.0)),
)
