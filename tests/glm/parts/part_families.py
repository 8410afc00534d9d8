"""Families of several parameters at typical values: densities by scipy, rows by the kernel."""

import numpy as np
from scipy import stats

from numbamm.glm import row_kernels
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS
from numbamm.glm.parts.density_rows import JOINT, NU, SLOPES
from numbamm.glm.parts.extended import _CHANGES, extended
from numbamm.glm.parts.family_rows import FamilyRows

#: All families by their log-densities.
ALL = {f.name: f for f in FAMILIES if f.density is not None}
ALL |= {f"{name} by density": extended(FAMILIES[name]) for name in _CHANGES}

#: Parameters of each, as their predictors.
TYPICAL = {
    "student": [0.3, 1.2],
    "nbinom12": [0.2, 0.9],
    "tweedie": [0.3, 0.2],
    "ordbeta": [1.2, -0.7, 0.9],
    "skewnormal": [0.3, 1.7],
    "genpois": [0.6],
}


def predictors(family) -> np.ndarray:
    """ν of the family's parameters, shape (number of them,)."""
    return np.array(TYPICAL.get(family.name, [0.4] * len(family.parameters)))


def parameters(family, nu=None) -> dict:
    nu = predictors(family) if nu is None else nu
    return {p.name: p.value(v) for p, v in zip(family.parameters, nu, strict=True)}


def responses(family) -> np.ndarray:
    """Some of the support."""
    if family.name == "bernoulli":
        return np.array([0.0, 1.0, 1.0, 0.0])
    if family.unit:
        inside = [0.02, 0.4, 0.75, 0.9]
        if family.proportions:
            return np.array([0.0, 0.25, 0.5, 1.0])
        return np.array([0.0, 0.4, 0.9, 1.0]) if family.name == "ordbeta" else np.array(inside)
    if family.counts:
        return np.array([1.0, 2.0, 5.0, 11.0]) - (0.0 if family.positive else 1.0)
    if family.name == "tweedie":
        return np.array([0.0, 0.3, 2.0, 9.0])
    return np.array([0.2, 0.9, 2.0, 6.0])


def weights(family) -> np.ndarray:
    return np.full(4, 8.0 if family.weights == "trials" else 1.0)


def rows(family, link, what, y, w, eta, nu, kind=0, joint=False):
    """Lines that the row kernel fills; `nu` has a line for each predictor, shape (lines, n)."""
    y, w, eta = (np.ascontiguousarray(a, dtype=np.float64) for a in (y, w, eta))
    out = np.zeros((row_kernels.LINES, len(y)))
    table = np.zeros((NU + len(nu), len(y)))
    for k, line in enumerate(nu):
        table[NU + k, : np.size(line)] = line
    number = float(kind + (JOINT if joint else 0))
    addresses = FamilyRows(family).addresses(LINKS[link])
    barrier = 0
    if what > row_kernels.INFORMATION and joint:
        out[row_kernels.THIRD] = 1.0
    row_kernels.evaluate_rows(what, *addresses, y, w, y, number, 0.0, eta, table, barrier, out)
    return out


def log_density(family, link, y, w, eta, nu, kind=0):
    """Of each row."""
    out = rows(family, link, row_kernels.DEVIANCE, y, w, eta, nu, kind)
    return -0.5 * out[row_kernels.FIRST]


def slopes(family, link, k, y, w, eta, nu, kind=0):
    """l_ν, l₁ν and l₁₁ν of the k-th predictor."""
    rows(family, link, row_kernels.WORKING, y, w, eta, nu, kind)
    out = rows_twice(family, link, SLOPES + k, y, w, eta, nu, kind)
    first, second, third = row_kernels.FIRST, row_kernels.SECOND, row_kernels.THIRD
    return np.array([-0.5 * out[first], out[second], -out[third]])


def rows_twice(family, link, what, *arguments):
    """As `rows`: the link's kernel is asked anyway, whatever the quantity."""
    return rows(family, link, what, *arguments)


def scipy_log_density(family, y, w, mu, p):
    """The same by scipy, where it has the distribution; else None."""
    name = family.name
    if name == "poisson":
        return stats.poisson.logpmf(y, mu)
    if name == "negativebinomial":
        return stats.nbinom.logpmf(y, p["shape"], p["shape"] / (p["shape"] + mu))
    if name == "nbinom1":
        return stats.nbinom.logpmf(y, mu / p["dispersion"], 1 / (1 + p["dispersion"]))
    if name == "nbinom12":
        excess = p["dispersion"] + mu / p["shape"]
        return stats.nbinom.logpmf(y, mu / excess, 1 / (1 + excess))
    if name == "beta":
        return stats.beta.logpdf(y, mu * p["precision"], (1 - mu) * p["precision"])
    if name == "betabinomial":
        a = mu * p["precision"]
        return stats.betabinom.logpmf(np.rint(y * w), w, a, p["precision"] - a)
    if name in ("binomial", "bernoulli"):
        return stats.binom.logpmf(np.rint(y * w), w, mu)
    if name == "student":
        return stats.t.logpdf(y, p["df"], mu, p["dispersion"])
    if name == "gaussian":
        return stats.norm.logpdf(y, mu, p["dispersion"] / np.sqrt(w))
    if name == "gamma":
        return stats.gamma.logpdf(y, w / p["dispersion"], 0, mu * p["dispersion"] / w)
    if name == "inversegaussian":
        return stats.invgauss.logpdf(y, mu * p["dispersion"] / w, 0, w / p["dispersion"])
    if name == "lognormal":
        s = np.sqrt(np.log1p((p["dispersion"] / mu) ** 2))
        return stats.lognorm.logpdf(y, s, 0, mu * np.exp(-(s**2) / 2))
    if name == "skewnormal":
        delta = p["skewness"] / np.sqrt(1 + p["skewness"] ** 2)
        omega = p["dispersion"] / np.sqrt(1 - 2 * delta**2 / np.pi)
        at = mu - omega * delta * np.sqrt(2 / np.pi)
        return stats.skewnorm.logpdf(y, p["skewness"], at, omega)
    if name.startswith("truncated"):
        inner = {"poisson": "poisson", "nbinom1": "nbinom1", "nbinom2": "negativebinomial"}
        whole = extended(FAMILIES[inner[name.removeprefix("truncated_")]])
        zero = scipy_log_density(whole, 0.0 * y, w, mu, p)
        return scipy_log_density(whole, y, w, mu, p) - np.log1p(-np.exp(zero))
    return None
