"""Fits by passes over rows that neither fit into memory nor collapse are those in memory."""

import numpy as np
import pandas as pd
import pytest
from sources.streams import cut, irregular

import numbamm as mm
from numbamm.sources import cell_table

CUTS = (250,)
pytestmark = pytest.mark.filterwarnings("ignore::numbamm.OverdispersionWarning")


@pytest.fixture
def no_memory(monkeypatch):
    """As if no row fitted into memory."""
    monkeypatch.setattr(cell_table, "ALWAYS_FITS", 0)
    monkeypatch.setattr(cell_table, "SHARE", 0.0)


def counts() -> pd.DataFrame:
    df, rng = irregular()[:500], np.random.default_rng(8)
    eta = 0.3 * df["y"].clip(-3, 3).fillna(0)
    return df.assign(
        count=rng.poisson(np.exp(eta)),
        yes=rng.random(len(df)) < 1 / (1 + np.exp(-2 * eta)),
        n=rng.integers(0, 4, len(df)),
    ).assign(hits=lambda d: rng.binomial(d["n"], 0.5))


CASES = {
    "poisson": ("count ~ x + f + (1 | g)", {"family": "poisson", "offset": "o"}, True),
    "two factors": ("yes ~ x + (1 | g) + (1 | h)", {"family": "bernoulli"}, True),
    "two factors, sparse": (
        "count ~ x + (1 | g) + (1 | h)",
        {"family": "poisson", "tail": "sparse"},
        True,
    ),
    "slope": ("count ~ x + (1 + x | g)", {"family": "poisson", "weights": "w"}, True),
    "trials, full": ("cbind(hits, n - hits) ~ x + (1 | g)", {"family": "binomial"}, False),
    "given shape": ("count ~ x + (1 | g)", {"family": "negativebinomial", "shape": 2.0}, True),
}


@pytest.mark.parametrize("name", CASES)
def test_estimates_are_those_in_memory(name, request):
    formula, options, fast = CASES[name]
    if "tail" in options:
        pytest.importorskip("sksparse")
    data = counts()
    memory = mm.glmm(formula, data, fast=fast, **options)
    request.getfixturevalue("no_memory")
    with pytest.warns(mm.NumbammWarning, match=r"reads them again, \d+\.\d GB a pass"):
        streamed = mm.glmm(formula, cut(data, *CUTS), fast=fast, **options)
    assert streamed.objective == pytest.approx(memory.objective, abs=1e-6)
    error = 1e-4 * memory.bse
    assert ((streamed.params - memory.params).abs() < error).all()
    np.testing.assert_allclose(streamed.theta, memory.theta, atol=1e-4)
    np.testing.assert_allclose(streamed.bse, memory.bse, rtol=1e-3)
    assert streamed.nobs == memory.nobs
    assert streamed.pearson_ratio == pytest.approx(memory.pearson_ratio, rel=1e-4)
    assert streamed.is_fast == fast and streamed._modes.passes[0] > 10
    assert streamed.optsum.tail_kind == memory.optsum.tail_kind


def test_what_follows_from_the_fit(request):
    formula, options, fast = CASES["poisson"]
    data = counts()
    memory = mm.glmm(formula, data, fast=fast, **options)
    request.getfixturevalue("no_memory")
    with pytest.warns(mm.NumbammWarning, match="a pass"):
        streamed = mm.glmm(formula, cut(data, *CUTS), fast=fast, **options)
    np.testing.assert_allclose(streamed.condvar("g"), memory.condvar("g"), rtol=1e-4)
    np.testing.assert_allclose(streamed.ranef("g"), memory.ranef("g"), atol=1e-4)
    for compute in (lambda m: m.fittedvalues, lambda m: m.predict(se=True)):
        a, b = compute(memory), compute(streamed).collect()
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-4)
    assert "Poisson" in str(streamed) or "poisson" in str(streamed)
    at = streamed.objective_at(streamed.optsum.final)
    assert at == pytest.approx(streamed.objective, abs=1e-7)
    with pytest.raises(mm.DataError, match="frame in memory"):
        streamed.leverage()


def test_an_iterative_tail_is_refused(no_memory):
    with pytest.raises(mm.OptionError, match="read again for every step, in memory; leave tail"):
        mm.glmm(CASES["two factors"][0], cut(counts(), *CUTS), "bernoulli", tail="iterative")


def test_quadrature_is_refused_before_a_search(no_memory):
    with (
        pytest.warns(mm.NumbammWarning, match="a pass"),
        pytest.raises(mm.OptionError, match="nagq=5 needs the rows in memory"),
    ):
        mm.glmm("count ~ x + (1 | g)", cut(counts(), *CUTS), "poisson", nagq=5)


def test_families_that_need_all_rows(no_memory):
    data = counts().assign(z=lambda d: np.exp(d["y"] / 3))
    with pytest.raises(mm.DataError, match="different ones, which take .* GB, more than half"):
        mm.glmm("z ~ x + (1 | g)", cut(data, *CUTS), "gamma")


def test_partitions(request):
    dd = pytest.importorskip("dask.dataframe")
    formula, options, fast = CASES["two factors"]
    data = counts()
    memory = mm.glmm(formula, data, fast=fast, **options)
    request.getfixturevalue("no_memory")
    with pytest.warns(mm.NumbammWarning, match="a pass"):
        streamed = mm.glmm(formula, dd.from_pandas(data, npartitions=2), fast=fast, **options)
    assert streamed.objective == pytest.approx(memory.objective, abs=1e-6)


def test_weights_that_differ_between_passes(no_memory):
    data, calls = counts(), []

    def chunks():
        calls.append(None)
        return cut(data if len(calls) < 9 else data.assign(w=data["w"] * 2), *CUTS)

    with (
        pytest.warns(mm.NumbammWarning, match="reads them again"),
        pytest.raises(mm.DataError, match="weights have changed between two passes"),
    ):
        mm.glmm("count ~ x + (1 | g)", chunks, family="poisson", weights="w", fast=True)
