"""Sizes and powers of the tests of simulated residuals: studies of minutes.

A test has a size of 5 %. Bounds are exact binomial ones, which chance alone passes once in a
thousand times for each test.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import numbamm as mm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning"),
]

LEVEL, TRIALS, POWERS = 0.05, 200, 40


def sample(seed, groups=24, each=10):
    """Groups of unequal sizes in mixed order, a covariate, random intercepts and times."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(each // 2, each * 3 // 2, groups)
    g = np.repeat(np.arange(groups), sizes)
    d = pd.DataFrame({"g": g, "x": rng.normal(size=len(g))})
    d["t"] = np.concatenate([np.arange(size) for size in sizes])
    eta = 0.6 + 0.5 * d["x"] + 0.6 * rng.normal(size=groups)[g]
    order = rng.permutation(len(d))
    return d.iloc[order].reset_index(drop=True), eta.to_numpy()[order], rng


def chain(d, rng, strength):
    """Residuals of first-order autoregressions in time within groups."""
    e, out = {}, np.empty(len(d))
    for row in np.lexsort((d["t"], d["g"])):
        before = e.get(d["g"][row])
        new = rng.normal() * (1 if before is None else np.sqrt(1 - strength**2))
        e[d["g"][row]] = out[row] = new + (0 if before is None else strength * before)
    return out


def gaussian(d, eta, rng):
    return mm.lmm("y ~ x + (1 | g)", d.assign(y=eta + rng.normal(size=len(d))))


def autoregressive(d, eta, rng):
    d = d.assign(y=eta + chain(d, rng, 0.6))
    return mm.lmm("y ~ x", d, residual="ar1(t | g)")


def autoregressive_with_effects(d, eta, rng):
    d = d.assign(y=2 * eta + chain(d, rng, 0.4))
    return mm.lmm("y ~ x + (1 | g)", d, residual="ar1(t | g)")


def poisson(d, eta, rng):
    return mm.glmm("y ~ x + (1 | g)", d.assign(y=rng.poisson(np.exp(eta))), "poisson")


def bernoulli(d, eta, rng):
    y = rng.random(len(d)) < 1 / (1 + np.exp(-eta))
    return mm.glmm("y ~ x + (1 | g)", d.assign(y=y * 1.0), "bernoulli")


def negative_binomial(d, eta, rng):
    y = rng.negative_binomial(2, 2 / (2 + np.exp(eta + 1)))
    return mm.glmm("y ~ x + (1 | g)", d.assign(y=y), "negativebinomial")


def gamma(d, eta, rng):
    y = rng.gamma(3, np.exp(eta) / 3)
    return mm.glmm("y ~ x + (1 | g)", d.assign(y=y), "gamma", "log")


RIGHT = [
    gaussian,
    autoregressive,
    autoregressive_with_effects,
    poisson,
    bernoulli,
    negative_binomial,
    gamma,
]


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("make", RIGHT, ids=lambda make: make.__name__)
def test_right_models_are_seldom_rejected(make, conditional, capsys):
    """The plain tests take the parameters as known: they reject at most at their level."""
    found = {}
    for seed in range(TRIALS):
        d, eta, rng = sample(seed)
        r = make(d, eta, rng).simulated_residuals(100, seed=seed, conditional=conditional)
        pvalues = {test.name: test.pvalue for test in r.tests}
        pvalues["autocorrelation"] = r.autocorrelation(d["t"], "g").pvalue
        pvalues["spatial"] = r.spatial("x").pvalue
        pvalues["by"] = r.by(d["x"] > 0)["pvalue"].iloc[:2].min()
        for name, p in pvalues.items():
            found.setdefault(name, []).append(p)
    rates = {name: float(np.mean(np.array(p) <= LEVEL)) for name, p in found.items()}
    with capsys.disabled():
        print(f"\n{make.__name__}, conditional={conditional}: {rates}")
    assert max(rates.values()) <= binom.ppf(1 - 1e-3, TRIALS, LEVEL) / TRIALS, rates


def overdispersed(d, eta, rng):
    y = rng.negative_binomial(2, 2 / (2 + np.exp(eta)))
    return mm.glmm("y ~ x + (1 | g)", d.assign(y=y), "poisson")


def inflated(d, eta, rng):
    y = np.where(rng.random(len(d)) < 0.3, 0, rng.poisson(np.exp(eta + 0.7)))
    return mm.glmm("y ~ x + (1 | g)", d.assign(y=y), "poisson")


def outlying(d, eta, rng):
    far = np.where(rng.random(len(d)) < 0.03, 10.0, 1.0)
    return mm.lmm("y ~ x + (1 | g)", d.assign(y=eta + far * rng.normal(size=len(d))))


def heavy_tailed(d, eta, rng):
    return mm.lmm("y ~ x + (1 | g)", d.assign(y=eta + rng.standard_t(2, len(d))))


def wrong_link(d, eta, rng):
    """Exponential means are fitted as linear ones."""
    y = np.exp(eta) + 0.5 * rng.normal(size=len(d))
    return mm.lmm("y ~ x + (1 | g)", d.assign(y=y))


def missing_slope(d, eta, rng):
    slopes = 1.5 * rng.normal(size=d["g"].max() + 1)[d["g"]]
    return mm.lmm("y ~ x + (1 | g)", d.assign(y=eta + slopes * d["x"] + rng.normal(size=len(d))))


def autocorrelated(d, eta, rng):
    return mm.lmm("y ~ x + (1 | g)", d.assign(y=eta + chain(d, rng, 0.5)))


def too_weakly_correlated(d, eta, rng):
    """Compound symmetry for an autoregression."""
    return mm.lmm("y ~ x", d.assign(y=eta + chain(d, rng, 0.8)), residual="homcs(1 | g)")


def by_fitted(r, d):
    """The smallest adjusted p-value of uniformity within quarters of the fitted values."""
    quarters = pd.qcut(r.model.estimates.fitted, 4, labels=False)
    return r.by(quarters)["pvalue"].iloc[:4].min()


FAULTS = {
    overdispersed: (lambda r, d: r.dispersion.pvalue, 0.95, 0.2),
    inflated: (lambda r, d: r.zeros.pvalue, 0.95, 0.95),
    outlying: (lambda r, d: r.outliers.pvalue, 0.95, 0.95),
    heavy_tailed: (lambda r, d: r.uniformity.pvalue, 0.95, 0.9),
    wrong_link: (by_fitted, 0.95, 0.9),
    missing_slope: (lambda r, d: r.by("g").loc["spread", "pvalue"], 0.95, 0.95),
    autocorrelated: (lambda r, d: r.autocorrelation(d["t"], "g").pvalue, 0.95, 0.95),
    too_weakly_correlated: (lambda r, d: r.autocorrelation(d["t"], "g").pvalue, 0.95, 0.95),
}


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
def test_each_test_finds_its_fault(make, conditional, capsys):
    """In so many of 40 data sets of 600 rows in 20 groups.

    New random effects (``conditional=False``) have an estimated variance that takes up a part of
    the overdispersion, so that less of it is found.
    """
    pvalue, *least = FAULTS[make]
    least, found = least[not conditional], []
    for seed in range(POWERS):
        d, eta, rng = sample(seed, groups=20, each=30)
        count = 1000 if make is outlying else 100
        r = make(d, eta, rng).simulated_residuals(count, seed=seed, conditional=conditional)
        found.append(pvalue(r, d) <= LEVEL)
    with capsys.disabled():
        print(f"\n{make.__name__}, conditional={conditional}: found in {np.mean(found):.0%}")
    assert np.sum(found) >= binom.ppf(1e-3, POWERS, least), np.mean(found)
