"""Generalized models of rows that stream: equal rows are taken together as they come."""

import copy

import numpy as np
import pandas as pd
import pytest
from sources.streams import cut, irregular

import numbamm as mm


def assert_same_fit(memory, streamed, rtol=1e-9):
    np.testing.assert_allclose(streamed.objective, memory.objective, rtol=1e-12, atol=1e-8)
    pd.testing.assert_series_equal(streamed.params, memory.params, rtol=rtol, atol=rtol)
    pd.testing.assert_series_equal(streamed.bse, memory.bse, rtol=1e-7)
    np.testing.assert_allclose(streamed.theta, memory.theta, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(streamed.pearson_ratio, memory.pearson_ratio, rtol=1e-8)
    for a, b in zip(streamed.b, memory.b, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)
    for name in ("nobs", "may_be_overdispersed", "likelihood_holds"):
        assert getattr(streamed, name) == getattr(memory, name)
    for name in ("n_missing", "n_zero_weight", "nrows", "success_level"):
        assert getattr(streamed.frame, name) == getattr(memory.frame, name)


def survey(n=20_000, seed=2) -> pd.DataFrame:
    """Many rows, few of which differ in more than their responses."""
    rng = np.random.default_rng(seed)
    region, age, year = rng.integers(0, 30, n), rng.integers(0, 6, n), rng.integers(0, 9, n)
    eta = rng.normal(size=30)[region] * 0.7 + 0.1 * age - 0.05 * year
    trials = rng.integers(0, 4, n)
    return pd.DataFrame(
        {
            "region": np.array([f"r{i}" for i in range(30)], dtype=object)[region],
            "age": pd.Categorical.from_codes(age, list("abcdef"), ordered=True),
            "year": 2000 + year,
            "sex": rng.choice(["f", "m"], n),
            "yes": rng.random(n) < 1 / (1 + np.exp(-eta)),
            "count": rng.poisson(np.exp(eta)),
            "clumped": rng.poisson(np.exp(eta) * rng.gamma(1.5, 1 / 1.5, n)),
            "trials": trials,
            "hits": rng.binomial(trials, 1 / (1 + np.exp(-eta))),
            "w": rng.choice([1.0, 2.0], n),
        }
    ).assign(vote=lambda d: np.where(d["yes"], "pro", "con"))


CASES = {
    "bernoulli": ("vote ~ sex + scale(year) + (1 | region)", {"family": "bernoulli"}),
    "fast, truth values": (
        "yes ~ sex + (1 + year | region)",
        {"family": "bernoulli", "fast": True},
    ),
    "binomial": (
        "cbind(hits, trials - hits) ~ sex + age + (1 | region)",
        {"family": "binomial"},
    ),
    "poisson": ("count ~ sex + (1 | region/age)", {"family": "poisson", "offset": "off"}),
    "poisson, weights": ("count ~ sex + (1 | region)", {"family": "poisson", "weights": "w"}),
    "negative binomial": ("clumped ~ sex + (1 | region)", {"family": "negativebinomial"}),
}


@pytest.mark.parametrize("name", CASES)
def test_estimates_are_those_in_memory(name):
    formula, options = CASES[name]
    data = survey().assign(off=0.25)
    parts = cut(data.sort_values(["year", "sex"], ignore_index=True), 1, 1, 50, 9000)
    whole = pd.concat(parts, ignore_index=True)
    memory, streamed = mm.glmm(formula, whole, **options), mm.glmm(formula, parts, **options)
    assert_same_fit(memory, streamed)
    cells = streamed._streamed.cells
    assert len(cells.y) < len(whole) / 10 and cells.nobs == memory.nobs


@pytest.mark.parametrize("family", ["gamma", "gaussian"])
def test_rows_of_dispersed_families_are_kept(family):
    data = irregular().assign(z=lambda d: np.exp(d["y"] / 3))
    formula, options = "z ~ x + f + (1 | g)", {"link": "log", "weights": "w"}
    memory = mm.glmm(formula, data, family, **options)
    assert_same_fit(memory, mm.glmm(formula, cut(data, 5, 300), family, **options))


@pytest.fixture(scope="module")
def pair():
    formula, options = CASES["binomial"]
    data = survey(3000)
    data.loc[[3, 700], "sex"] = None
    parts = cut(data, 10, 1000)
    return mm.glmm(formula, data, **options), mm.glmm(formula, parts, **options)


@pytest.mark.parametrize(
    "compute",
    [
        lambda m: m.fittedvalues,
        lambda m: m.resid,
        lambda m: m.residuals("deviance"),
        lambda m: m.residuals("pearson"),
        lambda m: m.predict(type="link"),
        lambda m: m.predict(se=True),
    ],
)
def test_values_of_rows_stream(pair, compute):
    memory, streamed = (pd.DataFrame(v) for v in (compute(pair[0]), compute(pair[1]).collect()))
    pd.testing.assert_frame_equal(streamed, memory, rtol=1e-8, atol=1e-9)


def test_inference_and_refits(pair):
    memory, streamed = pair
    for compute in (
        lambda m: m.condvar("region"),
        lambda m: m.ranef("region"),
        lambda m: m.tidy(),
        lambda m: m.hessian() if hasattr(m, "hessian") else m.cov_params(),
        lambda m: copy.deepcopy(m).refit(fast=True).tidy(),
        lambda m: m.update("~ . - age").tidy(),
    ):
        a, b = compute(memory), compute(streamed)
        pd.testing.assert_frame_equal(pd.DataFrame(b), pd.DataFrame(a), rtol=1e-6, atol=1e-7)
    assert streamed.objective_at(streamed.optsum.final) == pytest.approx(memory.objective)


@pytest.mark.parametrize(
    "compute",
    [
        lambda m: mm.influence(m),
        lambda m: m.leverage(),
        lambda m: m.simulate(seed=1),
        lambda m: m.refit(np.zeros(3000)),
        lambda m: m.working_model(),
        lambda m: np.asarray(m.estimates.fitted),
    ],
)
def test_what_needs_rows_says_what_to_do(pair, compute):
    with pytest.raises(mm.DataError, match="chunk by chunk.*frame in memory"):
        compute(pair[1])
    assert pair[1].is_fitted


def test_responses_outside_the_support():
    data = survey(300).assign(count=lambda d: d["count"].where(d.index != 250, -1))
    with pytest.raises(mm.DataError, match="rows 250 "):
        mm.glmm("count ~ sex + (1 | region)", cut(data, 100), "poisson")
    with pytest.raises(mm.DataError, match="has 3 levels"):
        mm.glmm("age ~ sex + (1 | region)", cut(data[data["age"] < "d"], 100), "bernoulli")
    with pytest.raises(mm.DataError, match="constant"):
        mm.glmm("count ~ sex + (1 | region)", cut(data.assign(count=2), 100), "poisson")


def test_cells_of_partitions():
    dd = pytest.importorskip("dask.dataframe")
    formula, options = CASES["bernoulli"]
    data = survey(5000)
    streamed = mm.glmm(formula, dd.from_pandas(data, npartitions=7), **options)
    assert_same_fit(mm.glmm(formula, data, **options), streamed)
