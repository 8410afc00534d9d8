"""Bootstraps that resample the data."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.inference.resampling.resampled_fits import CaseFits, ResidualFits, WildFits, _reflated
from numbamm.inference.robust.clusters import Clusters


@cache
def sleep():
    return mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"), reml=True)


@pytest.mark.parametrize("kind", ["cases", "residual", "wild"])
def test_standard_errors(kind):
    b = sleep().bootstrap(150, seed=1, kind=kind)
    assert b.n == 150 and b.n_failed == 0 and kind in b.title.lower()
    spread = b.frame[["beta_Intercept", "beta_Days"]].std()
    robust = np.sqrt(np.diag(sleep().cov_params(robust="CR2")))
    assert_allclose(spread, robust, rtol=0.3)
    again = sleep().bootstrap(50, seed=1, kind=kind, workers=2).extend(100)
    assert_allclose(again.values, b.values, rtol=1e-6)


class Fixed:
    """Random numbers that draw the clusters in their order, or all signs as one."""

    def integers(self, low, high, size):
        return np.arange(size) % high

    def choice(self, values, size):
        return np.full(size, values[1]) if len(values) == 2 else np.asarray(values)[:size]


def test_each_cluster_once_is_the_data():
    d = mm.datasets.load("cbpp")  # clusters of other sizes
    d["w"] = 1.0 + d["incidence"] % 2
    m = mm.lmm("incidence ~ period + (1 | herd)", d, weights="w", offset=d["size"] * 0.1)
    task = CaseFits(m, None, 1, Clusters.of(m, None))
    fit = task._fitted(Fixed())
    assert_allclose(fit.objective, m.objective, rtol=1e-8)
    assert_allclose(fit.estimates.beta, m.estimates.beta, rtol=1e-5)


def test_copies_of_nested_levels_are_levels_of_their_own():
    d = mm.datasets.load("Pastes")
    m = mm.lmm("strength ~ 1 + (1 | batch / cask)", d)

    class Twice(Fixed):
        def integers(self, low, high, size):
            return np.zeros(size, dtype=int)

    fit = CaseFits(m, None, 1, Clusters.of(m, None))._fitted(Twice())
    assert sorted(term.nlevels for term in fit.reterms) == [10, 30] and fit.nobs == 60


def test_crossed_levels_keep_their_identity():
    d = mm.datasets.load("Penicillin")
    m = mm.lmm("diameter ~ 1 + (1 | plate) + (1 | sample)", d)
    b = m.bootstrap(15, seed=2, kind="cases", cluster="plate")
    assert b.n_failed == 0
    rng = np.random.default_rng(1)
    fit = CaseFits(m, None, 1, Clusters.of(m, "plate", independent=False))._fitted(rng)
    assert {term.group: term.nlevels for term in fit.reterms} == {"plate": 24, "sample": 6}


def test_reflated_effects_have_the_estimated_covariance():
    m = sleep()
    task = ResidualFits(m, None, 1, None)
    assert_allclose(np.cov(task._effects[0].T, ddof=0), m.varcorr["Subject"].cov, rtol=1e-8)
    assert_allclose(np.sqrt(np.mean(task._residuals**2)), m.sigma)
    flat = _reflated(np.zeros((5, 2)), np.eye(2))  # a singular fit has nothing to draw from
    assert_allclose(flat, 0)


def test_signs_of_whole_clusters():
    m = sleep()
    task = WildFits(m, None, 1, Clusters.of(m, None))
    y = task._response(Fixed())
    assert_allclose(y - task._fixed, (m.frame.y - task._fixed) * np.sqrt(18 / 17))
    signs = (task._response(np.random.default_rng(1)) - task._fixed) / (y - task._fixed)
    assert (pd.Series(signs.round(6)).groupby(m.reterms[0].refs).nunique() == 1).all()


def test_generalized_models():
    g = mm.glmm(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        mm.datasets.load("cbpp"),
        "binomial",
    )
    b = g.bootstrap(25, seed=1, kind="cases")
    assert b.n_failed <= 2 and b.frame["beta_period[T.4]"].std() > 0.1


def test_files(tmp_path):
    b = sleep().bootstrap(10, seed=1, kind="wild")
    b.save(tmp_path / "replicates.parquet")
    read = mm.Bootstrap.load(tmp_path / "replicates.parquet")
    assert read.kind == "wild" and read.n == 10
    with pytest.raises(OptionError, match="cannot be extended"):
        read.extend(5, model=sleep())
    with pytest.raises(OptionError, match="which files do not have"):
        read.conf_int(method="bca")


def test_what_is_refused():
    g = mm.glmm("r2 ~ 1 + (1 | item)", mm.datasets.load("VerbAgg"), "bernoulli", fast=True)
    structured = mm.lmm(
        "Reaction ~ Days", mm.datasets.load("sleepstudy"), residual="ar1(Days | Subject)"
    )
    for call, words in (
        (lambda: sleep().bootstrap(5, kind="jackknife"), "kind must be one of"),
        (lambda: sleep().bootstrap(5, kind="residual", cluster="Subject"), "cluster is for"),
        (lambda: g.bootstrap(5, kind="wild"), "is for linear models"),
        (lambda: structured.bootstrap(5, kind="residual"), "independent levels and residuals"),
        (lambda: sleep().bootstrap(5, kind="cases", cluster="subject"), "did you mean 'Subject'"),
    ):
        with pytest.raises(OptionError, match=words):
            call()


def with_parts():
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(9), 12), rng.normal(size=108)  # as many rows in each cluster
    y = rng.poisson(np.exp(1 + 0.3 * x)) * (rng.uniform(size=108) > 1 / (1 + np.exp(1 - x)))
    d = pd.DataFrame({"y": y, "x": x, "g": g, "o": pd.Categorical(np.clip(y, 0, 3), ordered=True)})
    yield mm.glmm("y ~ x + (1 | g)", d, "poisson", zi="~ x")
    yield mm.clmm("o ~ 1 + (1 | g)", d, nominal="~ x")


def test_rows_of_every_part_follow_their_clusters():
    class Backwards(Fixed):
        def integers(self, low, high, size):
            return np.arange(size)[::-1] % high

    for m in with_parts():
        fit = CaseFits(m, None, 1, Clusters.of(m, None))._fitted(Backwards())
        assert_allclose(fit.objective, m.objective, rtol=1e-7)


@pytest.mark.parametrize("kind", ["parametric", "cases"])
def test_estimates_of_every_part(kind):
    for m, names in zip(with_parts(), (["zi.Intercept", "zi.x"], ["beta_0|1"]), strict=True):
        b = m.bootstrap(4, seed=1, kind=kind)
        assert b.n_failed == 0 and set(names) <= set(b.frame)
        assert_allclose(b.estimates.filter(like="beta_"), m.params)
        if m.composition is not None:
            zeros = m.parts.loc[m.parts["part"] == "zi", "estimate"]
            assert_allclose(b.estimates[names], zeros)
        assert type(b.names).from_json(b.names.to_json()).columns == b.names.columns
