"""The binomial family: proportions of trials, variance μ(1 - μ)/trials."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import REASSOCIATE, jit
from numbamm.glm.family import Family
from numbamm.glm.logistic import entropies, exp_minus, log1p_unit
from numbamm.glm.row_kernels import (
    BEND,
    DEVIANCE,
    FIRST,
    INFORMATION,
    LOG_MU,
    LOG_REST,
    OBSERVED_SLOPE,
    SCORE,
    SECOND,
    TO_MU,
    TO_REST,
    TWIST,
    WEIGHT,
    WORKING,
)


@jit(entry=False)
def _log_density(y, entropy, log_mu, log_rest):
    """Minus half the unit deviance, by logarithms of μ and 1 - μ."""
    log_f = 0.0
    if y > 0.0:
        log_f += y * log_mu
    if y < 1.0:
        log_f += (1.0 - y) * log_rest
    return (log_f if log_mu == log_mu else np.nan) - entropy


@jit
def binomial_rows(what, y, w, entropy, shape, least, eta, link, out):
    """The family's kernel, by logarithms of μ and 1 - μ, either of which may round to 0."""
    total = 0.0
    if what == DEVIANCE:
        for i in range(len(y)):
            log_f = _log_density(y[i], entropy[i], link[LOG_MU, i], link[LOG_REST, i])
            out[FIRST, i] = -2.0 * w[i] * log_f
    elif what == WORKING:
        for i in range(len(y)):
            log_f = _log_density(y[i], entropy[i], link[LOG_MU, i], link[LOG_REST, i])
            a, r, score = link[TO_MU, i], link[TO_REST, i], 0.0
            if y[i] > 0.0:
                score += y[i] * a
            if y[i] < 1.0:
                score -= (1.0 - y[i]) * r
            total -= 2.0 * w[i] * log_f
            out[WEIGHT, i] = max(w[i] * a * r, least * w[i])
            out[SCORE, i] = w[i] * score
    elif what == INFORMATION:
        for i in range(len(y)):
            a, r, bend, observed = link[TO_MU, i], link[TO_REST, i], link[BEND, i], 0.0
            if y[i] > 0.0:
                observed += y[i] * a * (a - bend)
            if y[i] < 1.0:
                observed += (1.0 - y[i]) * r * (r + bend)
            out[FIRST, i], out[SECOND, i] = w[i] * a * r, w[i] * observed
    elif what <= OBSERVED_SLOPE:
        for i in range(len(y)):
            a, r, bend, twist = link[TO_MU, i], link[TO_REST, i], link[BEND, i], link[TWIST, i]
            a1, r1 = a * (bend - a), r * (bend + r)  # their derivatives
            slope = 0.0
            if what != OBSERVED_SLOPE:
                slope = a1 * r + a * r1
            else:
                if y[i] > 0.0:
                    slope += y[i] * a * (2.0 * a1 - twist + a * bend)
                if y[i] < 1.0:
                    slope += (1.0 - y[i]) * r * (2.0 * r1 + twist + r * bend)
            out[FIRST, i] = w[i] * slope
    return total


@jit(fastmath=REASSOCIATE)
def logistic_rows(what, y, w, entropy, shape, least, eta, link, out):
    """The family's kernel for the logit, from η alone; without branches, its loops vectorise.

    Most models have this link, and exponentials and logarithms took two fifths of an iteration.
    """
    total = 0.0
    if what == DEVIANCE:
        for i in range(len(y)):
            size, e = abs(eta[i]), exp_minus(abs(eta[i]))
            against = 1.0 - y[i] if eta[i] > 0.0 else y[i]
            out[FIRST, i] = 2.0 * w[i] * (log1p_unit(e) + against * size + entropy[i])
    elif what == WORKING:
        for i in range(len(y)):
            size, above = abs(eta[i]), eta[i] > 0.0
            e = exp_minus(size)
            small = e / (1.0 + e)  # the smaller one of μ and 1 - μ
            mu = 1.0 - small if above else small
            against = 1.0 - y[i] if above else y[i]  # share of trials whose outcome is less likely
            out[WEIGHT, i] = w[i] * max(small * (1.0 - small), least)
            out[SCORE, i] = w[i] * (y[i] - mu)
            total += w[i] * (log1p_unit(e) + against * size + entropy[i])
    elif what == INFORMATION:
        for i in range(len(y)):
            e = exp_minus(abs(eta[i]))
            small = e / (1.0 + e)
            out[FIRST, i] = out[SECOND, i] = w[i] * small * (1.0 - small)
    else:  # the slope of both informations
        for i in range(len(y)):
            e = exp_minus(abs(eta[i]))
            small = e / (1.0 + e)
            falls = 1.0 - 2.0 * small
            out[FIRST, i] = w[i] * small * (1.0 - small) * (-falls if eta[i] > 0.0 else falls)
    return 2.0 * total


def _saturated(y, w):
    from scipy.special import gammaln

    if (w == 1).all() and np.isin(y, (0.0, 1.0)).all():
        return np.zeros(1)  # for Bernoulli responses it is zero
    rows = gammaln(w + 1) - gammaln(w * y + 1) - gammaln(w * (1 - y) + 1)
    return rows + w * entropies(y)


def _quantile(p, mu, w):
    from scipy.stats import binom

    return binom.ppf(p, w, mu) / w


FAMILY = Family(
    "binomial",
    link="logit",
    canonical="logit",
    support="values from 0 to 1",
    supports=lambda y: (y >= 0) & (y <= 1),
    rows=binomial_rows,
    fused={"logit": logistic_rows},
    proportions=True,
    discrete=True,
    bounds=(0.0, 1.0),
    means=(0.0, 1.0),
    example=0.5,
    weights="trials",
    concave=("logit", "probit", "cloglog", "loglog", "log", "identity"),
    inner=lambda y, w: (w * y + 0.5) / (w + 1),
    variance=lambda mu: mu * (1 - mu),
    saturated=_saturated,
    entropy=entropies,
    draw=lambda rng, mu, w: rng.binomial(w.astype(np.int64), mu) / w,
    quantile=_quantile,
    zero=lambda mu, w: np.exp(w * np.log1p(-mu)),
)
