"""Simulated residuals: uniform for right models, and tests that find what is wrong."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binomtest, kstest

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.inference.diagnostics.residual_tests import moran
from numbamm.inference.diagnostics.simulated_residuals import _places

pytestmark = pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")


def sample(seed, groups=30, each=8):
    rng = np.random.default_rng(seed)
    g = np.repeat([f"g {k}" for k in range(groups)], each)
    d = pd.DataFrame({"g": g, "x": rng.normal(size=len(g))})
    b = np.repeat(rng.normal(size=groups), each)
    return d, 0.5 + 0.5 * d["x"].to_numpy() + 0.7 * b, rng


@cache
def right():
    d, eta, rng = sample(1)
    d["y"] = rng.poisson(np.exp(eta))
    return mm.glmm("y ~ x + (1 | g)", d, "poisson"), d


@pytest.mark.parametrize("conditional", [True, False])
def test_right_models(conditional):
    m, _ = right()
    r = m.simulated_residuals(seed=3, conditional=conditional)
    assert (r.to_frame()["pvalue"] > 0.05).all()
    assert "Nothing speaks against the model." in str(r)
    assert kstest(r.residuals, "uniform").pvalue > 0.01
    again = m.simulated_residuals(seed=3, conditional=conditional)
    assert_allclose(again.residuals, r.residuals)


@pytest.mark.parametrize("conditional", [True, False])
def test_overdispersion_and_zeros(conditional):
    d, eta, rng = sample(2)
    zero = rng.random(len(d)) < 0.3
    d["y"] = np.where(zero, 0, rng.poisson(np.exp(eta + 1)))
    r = mm.glmm("y ~ x + (1 | g)", d, "poisson").simulated_residuals(conditional=conditional)
    assert r.zeros.pvalue < 0.02 and r.zeros.statistic > 1.2
    assert r.dispersion.statistic > 1.3 and "Zeros: there are more" in str(r)
    if conditional:  # the variance of the random effects takes up a part otherwise
        assert r.dispersion.pvalue < 0.02 and "Dispersion: responses vary more" in str(r)


def test_a_missing_slope_shows_within_groups():
    d, eta, rng = sample(3, groups=12, each=40)
    slopes = np.repeat(rng.normal(size=12), 40)
    d["y"] = eta + 3 * slopes * d["x"] + rng.normal(size=len(d))
    d["half"] = np.where(d["x"] > 0, "right", "left")
    r = mm.lmm("y ~ x + (1 | g)", d).simulated_residuals(seed=1)
    assert r.by("g").loc["spread", "pvalue"] < 1e-4
    assert list(r.by("g").index) == [*sorted(set(d["g"])), "spread"]  # by the names of levels
    better = mm.lmm("y ~ x + (1 + x | g)", d).simulated_residuals(seed=1)
    assert better.by("g")["pvalue"].min() > 0.01


def test_autocorrelation_in_time():
    d, eta, rng = sample(4, groups=10, each=30)
    e = rng.normal(size=(10, 30))
    for t in range(1, 30):
        e[:, t] += 0.6 * e[:, t - 1]
    d["t"], d["y"] = np.tile(np.arange(30), 10), eta + e.ravel()
    m = mm.lmm("y ~ x + t + (1 | g)", d)
    for conditional in (True, False):
        r = m.simulated_residuals(100, conditional=conditional)
        assert r.autocorrelation("t", "g").pvalue < 0.03
        assert r.autocorrelation("t", "g").statistic > 0.3
        assert "try a random effect with ar1()" in str(r.autocorrelation("t", "g"))
    assert str(r.zeros) == "None" and "try" not in repr(r.outliers)
    shuffled = d.sample(frac=1, random_state=1)
    again = mm.lmm(m.formula, shuffled).simulated_residuals(100)
    assert again.autocorrelation("t", shuffled["g"]).statistic > 0.3
    assert again.autocorrelation(np.arange(300)).pvalue > 0.01  # in the order of the data: none


def chains(seed, strength):
    """Ten groups of visits in another order, some of them missing, with AR(1) residuals."""
    d, eta, rng = sample(seed, groups=10, each=20)
    e = rng.normal(size=(10, 20))
    for t in range(1, 20):
        e[:, t] = strength * e[:, t - 1] + np.sqrt(1 - strength**2) * e[:, t]
    d["t"], d["y"] = np.tile(np.arange(20.0), 10), eta + 3 * e.ravel()
    return d.drop(index=[3, 4, 77]).sample(frac=1, random_state=seed)


@pytest.mark.parametrize("effects", ["", " + (1 | g)"])
def test_correlated_residuals_are_rotated(effects):
    d = chains(11, 0.7)
    m = mm.lmm(f"y ~ x{effects}", d, residual="ar1(t | g)")
    r = m.simulated_residuals(100, seed=1)
    assert "without the correlations of residuals" in str(r)
    assert abs(r.autocorrelation("t", "g").statistic) < 0.2
    assert r.autocorrelation("t", "g").pvalue > 0.05 and (r.to_frame()["pvalue"] > 0.05).all()
    scale = m.simulated_residuals(100, seed=1, conditional=False)
    assert scale.autocorrelation("t", "g").statistic > 0.4  # as in the simulated responses
    if not effects:  # rotation by the root of the covariance of the groups
        e = (m.frame.y - m.estimates.fitted) / m.sigma
        rho, first = m.residual_side.parameters(m.residual_side.phi, 1.0)["rho"], e.copy()
        place = np.lexsort((d["t"], d["g"]))
        gap = np.diff(d["t"].to_numpy()[place], prepend=-1)
        power = np.where(np.diff(pd.factorize(d["g"].to_numpy()[place])[0], prepend=-1), 0, gap)
        power = np.where(power, rho**power, 0)
        before = np.concatenate([[0], e[place][:-1]])
        first[place] = (e[place] - power * before) / np.sqrt(1 - power**2)
        order = pd.Series(first).corr(pd.Series(r.residuals.to_numpy()), method="spearman")
        assert order > 0.98  # places among a hundred


def test_dates_and_ordered_categories():
    d = chains(12, 0.8)
    m = mm.lmm("y ~ x + (1 | g)", d)
    r = m.simulated_residuals(50, seed=1)
    wanted = r.autocorrelation(d["t"], "g")
    dates = pd.Timestamp("2024-02-20") + pd.to_timedelta(d["t"], unit="D")
    words = "day " + d["t"].astype(int).astype(str)
    ordered = pd.Categorical(words, [f"day {k}" for k in range(20)], ordered=True)
    assert wanted.pvalue < 0.01
    for time in (dates, dates.dt.tz_localize("UTC"), dates.dt.date, dates.to_numpy(), ordered):
        assert r.autocorrelation(time, "g") == wanted
    place = r.spatial(d["t"])
    for other in (
        dates,
        dates.dt.tz_localize("UTC"),
        dates.dt.date,
        1e9 + 1e-3 * d["t"],
        dates - dates.min(),
    ):
        found = r.spatial(other)
        assert_allclose([found.statistic, found.pvalue], [place.statistic, place.pvalue], rtol=1e-4)


def test_places_with_several_rows_count_alike():
    """Sums of scores over the root of their number have one variance at all places."""
    rng = np.random.default_rng(8)
    place = np.repeat(np.arange(40), rng.integers(1, 30, 40)) * 1.0
    found = [moran(rng.uniform(size=len(place)), place[:, None]).pvalue for _ in range(60)]
    assert kstest(found, "uniform").pvalue > 1e-3
    far = moran(rng.uniform(size=len(place)), 1e200 + 1e190 * place[:, None])
    assert 0 < far.pvalue <= 1


def test_spatial_autocorrelation():
    rng = np.random.default_rng(5)
    east, north = rng.uniform(0, 10, (2, 300))
    field = np.sin(east) + np.cos(north)
    d = pd.DataFrame({"g": np.tile(np.arange(10), 30), "y": field + rng.normal(size=300)})
    r = mm.lmm("y ~ 1 + (1 | g)", d).simulated_residuals(100)
    assert r.spatial(east, north).pvalue < 0.005
    assert r.spatial(rng.permutation(east), rng.permutation(north)).pvalue > 0.01
    flat = mm.lmm("y ~ 1 + (1 | g)", d, offset=field).simulated_residuals(100)
    assert flat.spatial(east, north).pvalue > 0.01


def test_outliers():
    d, eta, rng = sample(6)
    d["y"] = eta + rng.normal(size=len(d))
    d.loc[::24, "y"] += 30
    r = mm.lmm("y ~ x + (1 | g)", d).simulated_residuals()
    assert r.outliers.pvalue < 0.02 and "10 responses are outside all simulated" in str(r)


def test_places_are_uniform_with_equal_values():
    rng = np.random.default_rng(7)
    simulated = rng.poisson(1.3, (40, 200)).astype(float)
    places = _places(simulated, rng)
    assert kstest(places.ravel(), "uniform").pvalue > 1e-3
    order = np.argsort(simulated[:, 0], kind="stable")
    assert (np.diff(simulated[order, 0])[np.diff(places[order, 0]) < 0] == 0).all()


def test_one_row_a_level_and_missing_rows():
    """Leverages near one leave no NaN; dropped rows have no residual."""
    d, eta, rng = sample(8, groups=40, each=2)
    d["y"] = rng.poisson(np.exp(eta))
    d["row"] = np.arange(len(d))
    d.loc[3, "x"] = np.nan
    r = mm.glmm("y ~ x + (1 | g) + (1 | row)", d, "poisson").simulated_residuals(60)
    assert np.isnan(r.residuals[3]) and r.residuals.notna().sum() == len(d) - 1
    assert r.residuals.dropna().between(0, 1).all()


def test_other_order_of_rows():
    m, d = right()
    turned = mm.glmm(m.formula, d.sample(frac=1, random_state=2), "poisson")
    r = turned.simulated_residuals(seed=1)
    assert_allclose(
        r.dispersion.statistic, m.simulated_residuals(seed=2).dispersion.statistic, rtol=0.05
    )


def test_tests_against_refits():
    table = right()[0].simulated_residuals(30, seed=1).calibrated(19, seed=1)
    assert (table.frame["pvalue"] >= 0.05).all()
    assert table.frame.index.to_list() == ["uniformity", "dispersion", "outliers", "zeros"]


def test_plot():
    m, _ = right()
    axes = m.simulated_residuals(seed=1).plot()
    assert axes[1].get_xlabel() == "Fitted values (ranks)"
    assert "uniformity: p =" in axes[0].texts[0].get_text()
    assert m.simulated_residuals(seed=1).plot(predictor="x")[1].get_xlabel() == "x (ranks)"


def test_what_is_refused():
    m, d = right()
    r = m.simulated_residuals(20)
    for call, words in (
        (lambda: m.simulated_residuals(5), "at least 20"),
        (lambda: m.simulated_residuals("many"), "whole number"),
        (lambda: r.by("region"), "'region' is no variable of the model; there are x, g"),
        (lambda: r.autocorrelation([1, 2]), "a value for each of the 240 rows"),
        (lambda: r.spatial(d["x"].where(d["x"] > 0)), "missing values"),
        (lambda: r.spatial(np.ones(240)), "fewer than four places"),
        (lambda: r.autocorrelation(group=np.arange(240)), "fewer than three"),
    ):
        with pytest.raises(OptionError, match=words):
            call()


@pytest.mark.slow
def test_size_of_the_tests():
    """By refits each test rejects right models at its level, or less often for whole numbers.

    Of 100 models; the bounds are passed by chance once in a thousand times for each test.
    """
    rejected = {}
    for seed in range(100):
        d, eta, rng = sample(1000 + seed, groups=20)
        d["y"] = rng.poisson(np.exp(eta))
        m = mm.glmm("y ~ x + (1 | g)", d, "poisson")
        for conditional in (True, False):
            r = m.simulated_residuals(40, seed=seed, conditional=conditional)
            for name, p in r.calibrated(19, seed=seed).frame["pvalue"].items():
                rejected.setdefault((conditional, name), []).append(p <= 0.1)
    for name, found in rejected.items():
        assert binomtest(sum(found), len(found), 0.1, "greater").pvalue > 1e-3, name
        if name[1] in ("uniformity", "dispersion"):
            assert binomtest(sum(found), len(found), 0.1, "less").pvalue > 1e-3, name


def test_places_are_numbers():
    cake = mm.datasets.load("cake")
    r = mm.lmm("angle ~ recipe + temp + (1 | recipe:replicate)", cake).simulated_residuals(20)
    with pytest.raises(OptionError, match=r"x must be numbers"):
        r.spatial("recipe")
    with pytest.raises(OptionError, match=r"y must be numbers"):
        r.spatial("temp", cake["recipe"])
