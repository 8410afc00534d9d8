"""Marginal likelihoods by sums over many nodes, with densities that share no code with ours."""

from __future__ import annotations

import numpy as np
from glm.parts.part_families import parameters, scipy_log_density
from scipy.special import betaln, expit, gammaln, logsumexp

#: Nodes of the trapezoidal rule, which is exact to rounding for smooth integrands that vanish at
#: the ends, and its range in standard deviations of the effects.
NODES, RANGE = 301, 9.0


def log_density(family, y, w, eta, mu, p):
    """Of a response, for arrays that broadcast; by scipy, or as the family is defined."""
    known = scipy_log_density(family, y, w, mu, p)
    if known is not None:
        return known
    if family.name == "genpois":
        theta, lam = mu / np.sqrt(p["dispersion"]), 1 - 1 / np.sqrt(p["dispersion"])
        at = theta + lam * y
        return np.log(theta) + (y - 1) * np.log(at) - at - gammaln(y + 1)
    if family.name == "compois":
        return _compois(y, mu, p["dispersion"])
    if family.name == "tweedie":
        return _tweedie(y, mu, **p)
    lower, upper = p["lower"], p["lower"] + np.exp(p["log_gap"])  # ordered beta
    a, b = mu * p["precision"], (1 - mu) * p["precision"]
    between = np.log(expit(eta - lower) - expit(eta - upper)) - betaln(a, b)
    with np.errstate(divide="ignore"):
        inside = between + (a - 1) * np.log(y) + (b - 1) * np.log1p(-y)
    ends = np.where(y == 0, np.log(expit(lower - eta)), np.log(expit(eta - upper)))
    return np.where((y == 0) | (y == 1), ends, inside)


def _compois(y, mu, dispersion):
    """With the rate of the mean by bisection."""
    j, nu = np.arange(150.0), 1 / np.asarray(dispersion)[..., None]
    low, high = np.full(np.shape(mu), -8.0), np.full(np.shape(mu), 8.0)
    for _ in range(45):
        theta = (low + high) / 2
        terms = j * theta[..., None] - nu * gammaln(j + 1)
        terms -= terms.max(axis=-1, keepdims=True)
        weights = np.exp(terms)
        above = (weights @ j) / weights.sum(axis=-1) > mu
        low, high = np.where(above, low, theta), np.where(above, theta, high)
    total = logsumexp(j * theta[..., None] - nu * gammaln(j + 1), axis=-1)
    return y * theta - nu[..., 0] * gammaln(y + 1) - total


def _tweedie(y, mu, dispersion, power):
    """By the gamma densities of every number of gamma variables."""
    rate = mu ** (2 - power) / (dispersion * (2 - power))
    shape, scale = (2 - power) / (power - 1), dispersion * (power - 1) * mu ** (power - 1)
    j = np.arange(1.0, 200.0)
    rate, scale, shape, y = np.broadcast_arrays(rate, scale, shape, y)
    a = j * shape[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = y / scale
        terms = j * np.log(rate)[..., None] - gammaln(j + 1) + (a - 1) * np.log(z)[..., None]
        terms = terms - gammaln(a) - z[..., None]
        inside = logsumexp(terms, axis=-1) - np.log(scale) - rate
    return np.where(y == 0, -rate, inside)


def minus_two_log_likelihood(model, x) -> float:
    """Of a model of one random intercept in the mean's part, at the user's parameters."""
    frame, parts = model.frame, model.composition
    rank, lines = frame.X.shape[1], model.part_lines
    psi = np.linalg.solve(lines.to_user, x[rank:-1]) if len(x) > rank + 1 else np.zeros(0)
    nu = lines.values(psi)
    u = np.linspace(-RANGE, RANGE, NODES)
    eta = (frame.X @ x[:rank])[:, None] + x[-1] * u
    mu = model.mean(eta.ravel()).reshape(eta.shape)
    family, y, w = parts.family, frame.y[:, None], model.prior_weights[:, None]
    count = len(family.parameters)
    p = parameters(family, nu[:count, :, None]) if count else {}
    with np.errstate(all="ignore"):
        f = log_density(family, y, w, eta, mu, p)
    if parts.zero_part:
        zeta = nu[-1][:, None]
        zero, rest = -np.logaddexp(0, -zeta), -np.logaddexp(0, zeta)
        at_zero = np.logaddexp(zero, rest + f) if parts.zero_part == "zi" else zero
        f = np.where(y == 0, at_zero, rest + f)
    levels = model.reterms[0].refs
    each = np.array([f[levels == level].sum(axis=0) for level in np.unique(levels)])
    log_normal = -0.5 * u**2 - 0.5 * np.log(2 * np.pi) + np.log(u[1] - u[0])
    return -2 * logsumexp(each + log_normal, axis=1).sum()
