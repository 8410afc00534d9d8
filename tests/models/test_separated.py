"""Separated responses: means run off to the end of their range, and the rest is fitted as ever."""

import functools
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm

UNIT = ("logit", "probit", "cloglog", "loglog", "cauchit")
MODELS = [
    *(("bernoulli", link) for link in UNIT),
    *(("binomial", link) for link in UNIT),
    ("poisson", "log"),
    ("negativebinomial", "log"),
]


@functools.cache
def rows(family):
    """Levels b and e of a: nothing but zeros in one, nothing but ones (of counts: zeros) in e."""
    rng = np.random.default_rng(5)
    a, g = np.array(list("abcde"))[np.arange(300) % 5], rng.integers(0, 15, 300)
    x = rng.normal(size=300)
    eta = 0.4 * x + 0.7 * rng.normal(size=15)[g]
    mu = 1 / (1 + np.exp(-eta))
    weights = rng.integers(1, 7, 300) * 1.0
    y = {
        "bernoulli": lambda: rng.random(300) < mu,
        "binomial": lambda: rng.binomial(weights.astype(int), mu) / weights,
        "poisson": lambda: rng.poisson(2 * np.exp(eta)),
        "negativebinomial": lambda: rng.poisson(2 * np.exp(eta) * rng.gamma(2, 0.5, 300)),
    }[family]()
    end = 1.0 if family in ("bernoulli", "binomial") else 0.0
    y = np.where(a == "b", 0.0, np.where(a == "e", end, y * 1.0))
    return {"y": y, "x": x, "a": a, "g": g}, weights if family == "binomial" else None


def fit(family, link, keep=slice(None), **options):
    data, weights = rows(family)
    data = {name: column[keep] for name, column in data.items()}
    weights = None if weights is None else weights[keep]
    return mm.glmm(
        "y ~ a + x + (1 | g)", data, family, link, weights=weights, progress=False, **options
    )


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("family", "link"), MODELS)
def test_the_rest_is_fitted_as_without_them(family, link, fast):
    """Rows whose deviance tends to zero leave objective, θ and the other coefficients alone."""
    with pytest.warns(mm.NumbammWarning, match=r"coefficients of a\[T.b\], a\[T.e\] grow"):
        whole = fit(family, link, fast=fast)
    a = rows(family)[0]["a"]
    inside = ~np.isin(a, ["b", "e"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rest = fit(family, link, inside, fast=fast)
    tolerance = 1e-3 if link == "cauchit" else 1e-5  # its tails end late
    assert_allclose(whole.objective, rest.objective, atol=10 * tolerance)
    assert_allclose(whole.theta, rest.theta, atol=20 * tolerance)
    same = list(rest.params.index)
    assert_allclose(whole.params[same], rest.params, atol=20 * tolerance)
    assert_allclose(whole.bse[same], rest.bse, rtol=20 * tolerance)
    mu = whole.estimates.fitted
    assert (mu[a == "b"] < tolerance).all()
    assert (whole.bse[["a[T.b]", "a[T.e]"]] > 100).all()


def test_no_fixed_effects_separate_nothing():
    data = {"y": np.arange(40) % 2 * 1.0, "g": np.arange(40) // 4}
    with pytest.raises(mm.NumbammError, match="no mode"):
        mm.glmm("y ~ 0 + (1 | g)", data, "bernoulli", "log")
    assert np.isfinite(mm.glmm("y ~ 0 + (1 | g)", data, "bernoulli", "cloglog").objective)
