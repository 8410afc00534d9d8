"""The Conway–Maxwell–Poisson family by its mean: more or less variable than the Poisson one.

P(y) = exp(yθ - ν log y! - ζ(θ, ν)) with ν = 1/φ, and θ such that the mean is μ. With V, κ₃ and κ₄
the cumulants of y, C its covariance with L = log y!, and derivatives at a fixed mean,

    ∂θ/∂log μ = μ/V     ∂θ/∂ν = C/V     ∂V/∂ν = κ₃C/V - cum(y, y, L)
    ∂κ₃/∂ν = κ₄C/V - cum(y, y, y, L)

so that one sum over the counts gives the log-density and all its derivatives. Where the sum is at a
θ whose mean is nearly μ, the cumulants at θ follow from those there, of which they are the
derivatives. Large means have an asymptotic series.

Sources: Huang (2017), Stat. Model. 17, 359; Ribeiro et al. (2020), Stat. Model. 20, 444; for the
series Gaunt, Iyengar, Olde Daalhuis & Simsek (2019), Ann. Inst. Stat. Math. 71, 163.
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
from numbamm.glm.parts.special import _remainder_derivatives

#: A sum ends where terms are below exp(-ENOUGH) of the largest, or after MOST_TERMS.
ENOUGH, MOST_TERMS = 34.0, 2e5
#: If zero is below that, too, every few counts stand for all: for a sum as smooth as that of a
#: normal density, steps of a standard deviation over STEPS lose 1e-13 of it.
STEPS = 1.4
#: From more counts on their logarithms are not added up.
FEW = 32.0
#: Most sums to find θ. In units of 1/√V, the distance to θ from which Halley's method goes on, and
#: from which there is another sum, without and with cumulants of log j!; below, cumulants at θ
#: follow by their derivatives.
MOST_STEPS, FAR, CLOSE, CLOSER = 60, 0.3, 3e-3, 1e-4
#: The series serves from this μν on, and from this μ: its error is below 1e-12.
LARGE = 200.0

LOG_TAU = math.log(2.0 * math.pi)
#: Logarithms of small counts; that of 0 is not asked for.
LOGS = np.log(np.maximum(np.arange(512.0), 1.0))


@jit
def _log_product(j, count):
    """log((j + 1) ... (j + count))."""
    if count == 1.0:
        return LOGS[int(j) + 1] if j < 511.0 else math.log(j + 1.0)
    if count > FEW:  # by Stirling's formula
        y = j + count
        if j == 0.0:
            return math.lgamma(y + 1.0)
        difference = _remainder_derivatives(y)[0] - _remainder_derivatives(j)[0]
        return (j + 0.5) * math.log1p(count / j) + count * (math.log(y) - 1.0) + difference
    product = 1.0
    for k in range(1, int(count) + 1):
        product *= j + k
    return math.log(product)


@jit
def _sums(theta, nu, full):
    """Cumulants of j with weights exp(jθ - ν log j!), and, if `full`, those with log j!.

    Returns
    -------
    tuple of float64
        The largest term c and log Σ exp[(j - c)θ - ν log(j! / c!)]; the mean and the next five
        cumulants; cum(L), cum(j, L) to cum(j, j, j, j, L) of L = log(j! / c!).
    """
    centre = math.floor(math.exp(min(theta / nu, 40.0)))
    m1 = m2 = m3 = m4 = m5 = m6 = e0 = e1 = e2 = e3 = e4 = 0.0
    total, every = 0.0, 1.0
    if nu * (centre - 0.5 * (LOG_TAU + math.log(centre + 1.0))) > ENOUGH:
        every = max(1.0, math.floor(math.sqrt(centre / nu) / STEPS))
    for direction in range(2):
        log_w, d, rise = 0.0, 0.0, 0.0  # of the term centre + d; rise is log j! - log centre!
        while True:
            if d != 0.0 or direction == 0:
                w = math.exp(log_w)
                d2 = d * d
                wd, wd2 = w * d, w * d2
                total += w
                m1 += wd
                m2 += wd2
                m3 += wd * d2
                m4 += wd2 * d2
                m5 += wd * d2 * d2
                m6 += wd2 * d2 * d2
                if full:
                    e0 += w * rise
                    e1 += wd * rise
                    e2 += wd2 * rise
                    e3 += wd * d2 * rise
                    e4 += wd2 * d2 * rise
                if not (log_w >= -ENOUGH and abs(d) < MOST_TERMS):
                    break
            if direction == 0:
                rise += _log_product(centre + d, every)
                d += every
            else:
                d -= every
                if centre + d < 0.0:
                    break
                rise -= _log_product(centre + d, every)
            log_w = theta * d - nu * rise
    m1, m2, m3, m4, m5, m6 = m1 / total, m2 / total, m3 / total, m4 / total, m5 / total, m6 / total
    k2 = m2 - m1 * m1
    k3 = m3 - m1 * m2 - 2.0 * k2 * m1
    k4 = m4 - m1 * m3 - 3.0 * (k2 * m2 + k3 * m1)
    k5 = m5 - m1 * m4 - 4.0 * (k2 * m3 + k4 * m1) - 6.0 * k3 * m2
    k6 = m6 - m1 * m5 - 5.0 * (k2 * m4 + k5 * m1) - 10.0 * (k3 * m3 + k4 * m2)
    c0 = c1 = c2 = c3 = c4 = 0.0
    if full:
        c0 = e0 / total
        c1 = e1 / total - c0 * m1
        c2 = e2 / total - c0 * m2 - 2.0 * c1 * m1
        c3 = e3 / total - c0 * m3 - 3.0 * (c1 * m2 + c2 * m1)
        c4 = e4 / total - c0 * m4 - 4.0 * (c1 * m3 + c3 * m1) - 6.0 * c2 * m2
    return centre, math.log(total * every), centre + m1, k2, k3, k4, k5, k6, c0, c1, c2, c3, c4


@jit
def _first_theta(log_mu, nu):
    """A θ whose mean is about μ."""
    mu = math.exp(log_mu)
    shift = (nu - 1.0) / (2.0 * nu)
    shifted = mu + shift
    if shifted > 1.5:  # two more terms of the series of the mean
        bend = (nu * nu - 1.0) / (24.0 * nu * nu)
        for _ in range(2):
            shifted = mu + shift + bend / shifted * (1.0 + 1.0 / (nu * shifted))
    theta = nu * math.log(shifted) if shifted > 0.5 else log_mu
    if nu < 1.0:  # for ν → 0 the distribution is geometric, with θ < 0
        theta = min(theta, log_mu - math.log1p((1.0 - nu) * mu) + nu * math.log1p(mu))
    return theta


@jit
def _solved(log_mu, nu, full):
    """θ at which the mean is μ, and what `_sums` gives there, but for the highest cumulants.

    Returns
    -------
    tuple of float64
        θ, the largest term of the sum, and the logarithm of the sum in its units; V, κ₃, κ₄;
        cum(L) to cum(j, j, j, L).
    """
    mu, theta = math.exp(log_mu), _first_theta(log_mu, nu)
    sums = _sums(theta, nu, full)
    h = 0.0
    for _ in range(MOST_STEPS):
        centre, log_total, mean, k2, k3, k4, k5, k6, c0, c1, c2, c3, c4 = sums
        if not (mean > 0.0 and k2 > 0.0):
            theta += 1.0
        else:
            gap, slope = math.log(mean) - log_mu, k2 / mean
            step = gap / slope
            if abs(step) * math.sqrt(k2) > FAR:
                share = 1.0 - 0.5 * step * (k3 / mean - slope * slope) / slope  # Halley
                step = step / share if share > 0.5 else step
                limit = 0.5 * max(nu, 0.1) + 0.5
                theta -= min(max(step, -limit), limit)
            else:
                h = (mu - mean) / k2
                for _ in range(4):
                    f = h * (k2 + h * (k3 / 2 + h * (k4 / 6 + h * (k5 / 24 + h * k6 / 120))))
                    g = k2 + h * (k3 + h * (k4 / 2 + h * (k5 / 6 + h * k6 / 24)))
                    h += (mu - mean - f) / g if g > 0.1 * k2 else 0.0
                if abs(h) * math.sqrt(k2) < (CLOSER if full else CLOSE):
                    break
                theta += h
                h = 0.0
        sums = _sums(theta, nu, full)
    centre, log_total, mean, k2, k3, k4, k5, k6, c0, c1, c2, c3, c4 = sums
    rise = h * (mean - centre + h * (k2 / 2 + h * (k3 / 6 + h * (k4 / 24 + h * k5 / 120))))
    return (
        theta + h,
        centre,
        log_total + rise,
        k2 + h * (k3 + h * (k4 / 2 + h * (k5 / 6 + h * k6 / 24))),
        k3 + h * (k4 + h * (k5 / 2 + h * k6 / 6)),
        k4 + h * (k5 + h * k6 / 2),
        c0 + h * (c1 + h * (c2 / 2 + h * (c3 / 6 + h * c4 / 24))),
        c1 + h * (c2 + h * (c3 / 2 + h * c4 / 6)),
        c2 + h * (c3 + h * c4 / 2),
        c3 + h * c4,
    )


@jit
def _of_large_mean(mu, nu):
    """The same by the series in x = να with α = exp(θ/ν), of large μ.

    ζ = x - ½(ν - 1) log(2πα) - ½ log ν + Σ dₖ x⁻ᵏ; each derivative in θ multiplies x⁻ᵏ by -k/ν.

    Returns
    -------
    tuple of float64
        α and Σ dₖ x⁻ᵏ; V, κ₃, κ₄; E L, C, cum(y, y, L), cum(y, y, y, L) of L = log y!.
    """
    n2 = nu * nu
    a1 = (n2 - 1.0) / 24.0
    a2 = (n2 - 1.0) * (n2 + 23.0) / 1152.0
    a3 = (n2 - 1.0) * (5.0 * n2 * n2 - 298.0 * n2 + 11237.0) / 414720.0
    a4 = (n2 - 1.0) * (((5.0 * n2 - 1887.0) * n2 - 241041.0) * n2 + 2482411.0) / 39813120.0
    b1 = nu / 12.0  # the derivatives of these in ν
    b2 = nu * (4.0 * n2 + 44.0) / 1152.0
    b3 = nu * ((30.0 * n2 - 1212.0) * n2 + 23070.0) / 414720.0
    b4 = nu * (((40.0 * n2 - 11352.0) * n2 - 956616.0) * n2 + 5446904.0) / 39813120.0
    d1, f1 = a1, b1  # of the logarithm of the series, and their derivatives
    d2, f2 = a2 - a1 * a1 / 2.0, b2 - a1 * b1
    d3 = a3 - a1 * a2 + a1**3 / 3.0
    f3 = b3 - b1 * a2 - a1 * b2 + a1 * a1 * b1
    d4 = a4 - a1 * a3 - a2 * a2 / 2.0 + a1 * a1 * a2 - a1**4 / 4.0
    f4 = b4 - b1 * a3 - a1 * b3 - a2 * b2 + 2.0 * a1 * b1 * a2 + a1 * a1 * b2 - a1**3 * b1
    shift = (nu - 1.0) / (2.0 * nu)
    alpha = mu + shift
    for _ in range(6):
        r = 1.0 / (nu * alpha)
        alpha = mu + shift + r * (d1 + r * (2 * d2 + r * (3 * d3 + r * 4 * d4))) / nu
    s, r, inverse = math.log(alpha), 1.0 / (nu * alpha), 1.0 / nu
    series = 0.0
    V, k3, k4 = alpha * inverse, alpha * inverse**2, alpha * inverse**3
    mean_nu = -alpha * s * inverse - 0.5 * inverse**2  # derivatives in ν at a fixed θ
    V_nu = -alpha * (s + 1.0) * inverse**2
    k3_nu = -alpha * (s + 2.0) * inverse**3
    zeta_nu = alpha * (1.0 - s) - 0.5 * s * inverse - 0.5 * LOG_TAU - 0.5 * inverse
    power = 1.0
    for k in range(1, 5):
        d = d1 if k == 1 else d2 if k == 2 else d3 if k == 3 else d4
        f = f1 if k == 1 else f2 if k == 2 else f3 if k == 3 else f4
        power *= r
        q = k * inverse
        e = d * power
        e_nu = f * power - q * (1.0 - s) * e
        series += e
        V += q * q * e
        k3 -= q * q * q * e
        k4 += q * q * q * q * e
        zeta_nu += e_nu
        mean_nu += q * (inverse * e - e_nu)
        V_nu += q * q * (e_nu - 2.0 * inverse * e)
        k3_nu += q * q * q * (3.0 * inverse * e - e_nu)
    return alpha, series, V, k3, k4, -zeta_nu, -mean_nu, -V_nu, -k3_nu


@jit
def _log_density(y, log_mu, nu, full):
    """l and its derivatives in x = log μ and ν: l, lₓ, lₓₓ, lₓₓₓ, l_ν, lₓν, lₓₓν."""
    mu = math.exp(log_mu)
    if not (1e-12 < mu < 1e9 and 1e-6 < nu < 1e6):
        return np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan
    log_y = math.lgamma(y + 1.0)
    if mu * min(nu, 1.0) > LARGE:
        alpha, series, V, k3, k4, mean_log, C, c21, c31 = _of_large_mean(mu, nu)
        s = math.log(alpha)
        rest = 0.5 * (nu - 1.0) * (s + LOG_TAU) + 0.5 * math.log(nu) - series
        if y > 0.0:  # every term is of the size of the result
            t = (alpha - y) / y
            stirling = 0.5 * (LOG_TAU + math.log(y)) + _remainder_derivatives(y)[0]
            f = rest - nu * (y * (t - math.log1p(t)) + stirling)
        else:
            f = rest - nu * alpha
        rise = mean_log - log_y
    else:
        theta, centre, log_total, V, k3, k4, mean_log, C, c21, c31 = _solved(log_mu, nu, full)
        step = log_y - math.lgamma(centre + 1.0)
        f = (y - centre) * theta - nu * step - log_total
        rise = mean_log - step
    gap = y - mu
    g = mu / V
    g1 = g - g * g * k3 / V
    g2 = g1 - 2.0 * g * g1 * k3 / V - g * g * (k4 * g / V - k3 * k3 * g / (V * V))
    V_nu = k3 * C / V - c21
    k3_nu = k4 * C / V - c31
    g_nu = -mu * V_nu / (V * V)
    g1_nu = g_nu - 2.0 * g * g_nu * k3 / V - g * g * (k3_nu / V - k3 * V_nu / (V * V))
    return (
        f,
        gap * g,
        -mu * g + gap * g1,
        -mu * g - 2.0 * mu * g1 + gap * g2,
        rise + gap * C / V,
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
        if mu[i] * min(nu[i], 1.0) > LARGE:
            alpha, series, V, _, _, _, _, _, _ = _of_large_mean(mu[i], nu[i])
            theta = nu[i] * math.log(alpha)
            zeta = nu[i] * alpha + series - 0.5 * math.log(nu[i])
            zeta -= 0.5 * (nu[i] - 1.0) * (LOG_TAU + math.log(alpha))
        else:
            theta, centre, zeta, V, _, _, _, _, _, _ = _solved(math.log(mu[i]), nu[i], True)
            zeta += centre * theta - nu[i] * math.lgamma(centre + 1.0)
        out[0, i], out[1, i], out[2, i] = theta, zeta, V
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
    includes="poisson",
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
