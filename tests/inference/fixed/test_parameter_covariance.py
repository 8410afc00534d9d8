"""Small-sample degrees of freedom with variances that are zero, almost zero or badly known."""

import numpy as np
import oracles
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numbamm as mm
from numbamm.errors import FitError

OPTIMISERS = ("newton", "nlopt:LN_BOBYQA")
SMALL_SAMPLE = ("satterthwaite", "kenward-roger", "kenward-roger-observed")


def slopes(seed):
    """Irregular groups, and rows as a function of how much the slopes vary."""
    rng = np.random.default_rng(seed)
    g = np.r_[np.arange(9), rng.integers(0, 9, 51)]
    rows = pd.DataFrame({"g": g, "half": g % 2}).astype(str).assign(x=rng.normal(size=60))
    noise, u = rng.normal(size=60), rng.normal(size=(2, 9))
    return lambda t: rows.assign(y=noise + u[0][g] + t * u[1][g] * rows["x"])


def plots(seed):
    """Balanced plots, and rows as a function of how much they vary."""
    rng = np.random.default_rng(seed)
    plot = np.repeat(np.arange(6), 4)
    rows = pd.DataFrame({"g": plot, "half": plot % 2}).astype(str)
    noise, u = rng.normal(size=24), rng.normal(size=6)
    return lambda t: rows.assign(y=noise + t * u[plot])


def crossed(seed):
    """Two crossed factors with weights; one of them stays."""
    rng = np.random.default_rng(seed)
    g, h = rng.integers(0, 8, 70), rng.integers(0, 5, 70)
    rows = pd.DataFrame({"g": g, "half": g % 2, "h": h}).astype(str)
    rows["w"] = rng.uniform(0.5, 2, 70)
    noise, u, v = rng.normal(size=70), rng.normal(size=8), rng.normal(size=5)
    return lambda t: rows.assign(y=noise + t * u[g] + v[h])


PATHS = {
    "slopes": (slopes, 0, "y ~ half * x + (x | g)", None),
    "plots": (plots, 3, "y ~ half + (1 | g)", None),
    "crossed": (crossed, 3, "y ~ half + (1 | g) + (1 | h)", "w"),
}


@pytest.fixture(scope="module", params=PATHS)
def path(request):
    """A fit as a function of a parameter of the data, and where a variance becomes zero."""
    made, seed, formula, weights = PATHS[request.param]
    at = made(seed)

    def fit(t, optimizer="newton"):
        return mm.lmm(formula, at(t), weights=weights, reml=True, optimizer=optimizer)

    def singular(t):
        terms = {term.group: term for term in fit(t).reterms}
        return np.linalg.svd(terms["g"].lambda_, compute_uv=False)[-1] < 1e-8

    low, high = 0.0, 3.0
    assert singular(low) and not singular(high)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if singular(middle) else (low, middle)
    return fit, low


@pytest.mark.parametrize("ddf", SMALL_SAMPLE)
def test_df_are_continuous_where_a_variance_becomes_zero(path, ddf):
    fit, zero = path
    df = {
        step: fit(zero * (1 + step)).coef_table(ddf=ddf).to_frame()["df"].to_numpy()
        for step in (-1e-3, -1e-5, -1e-7, 1e-7, 1e-5, 1e-3)
    }
    np.testing.assert_allclose(df[-1e-7], df[1e-7], rtol=1e-4)
    np.testing.assert_allclose(df[-1e-5], df[1e-5], rtol=1e-3)
    np.testing.assert_allclose(df[-1e-3], df[1e-3], rtol=0.15)


@pytest.mark.parametrize("ddf", SMALL_SAMPLE)
def test_df_do_not_depend_on_the_optimiser(path, ddf):
    """Derivative-free searches leave variances of 1e-16 or so where `newton` has zero."""
    fit, zero = path
    for t in (0.3 * zero, 0.8 * zero, 1.5 * zero):
        one, other = (fit(t, o).coef_table(ddf=ddf).to_frame()[["df", "se"]] for o in OPTIMISERS)
        np.testing.assert_allclose(other, one, rtol=2e-3)


@pytest.mark.parametrize("theta", [1e-12, 1e-8, 1e-6])
def test_a_tiny_theta_is_zero_for_kenward_and_roger(theta):
    rows, found = oracles.dataset("sleepstudy"), []
    for last in (0.0, theta):
        model = mm.LinearMixedModel("Reaction ~ Days + (Days | Subject)", rows, reml=True)
        values = np.array([0.9, 0.2, last])
        model._estimates = model._estimate(values, model.objective_at(values))
        found.append(model.coef_table(ddf="kenward-roger").to_frame()[["df", "se"]])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


def test_two_null_directions():
    """lmerTest 3.1-3: 2 and 234.0, 5 and 38.41 df; pbkrtest 0.5.2: 178 and 10, F 3.154, 11.02."""
    cake = oracles.dataset("cake")
    formula = "angle ~ recipe + temperature + (temperature | replicate)"
    for optimizer in OPTIMISERS:
        model = mm.lmm(formula, cake, reml=True, optimizer=optimizer)
        table = model.anova().to_frame()
        np.testing.assert_allclose(table["dendf"], [234.0, 38.41], rtol=1e-3)
        np.testing.assert_allclose(table["F"], [3.1541, 15.4278], rtol=1e-3)
        table = model.anova(ddf="kenward-roger").to_frame()
        np.testing.assert_allclose(table["dendf"], [178, 10], rtol=1e-3)
        np.testing.assert_allclose(table["F"], [3.1541, 11.0198], rtol=1e-3)


#: F and denominator df by lmerTest 3.1-3 and pbkrtest 0.5.2; cake without every 7th and 11th row.
IRREGULAR = {
    "angle ~ recipe * temp10 + (recipe + temp10 | replicate)": {
        "satterthwaite": ([0.89555, 65.016, 0.53707], [21.034, 25.526, 180.018]),
        "kenward-roger": ([0.82344, 63.417, 0.51558], [12.883, 13.714, 165.941]),
    },
    "angle ~ recipe * temp10 + (0 + recipe | replicate) + (1 | temperature)": {
        "satterthwaite": ([0.70120, 37.622, 0.48639], [20.914, 4.1377, 175.407]),
        "kenward-roger": ([0.64923, 37.325, 0.47564], [12.837, 4.0865, 168.416]),
    },
}


@pytest.mark.parametrize("formula", IRREGULAR)
def test_irregular_singular_fits(formula):
    cake = oracles.dataset("cake").assign(temp10=lambda d: (d["temp"] - 200) / 10)
    row = np.arange(1, len(cake) + 1)
    model = mm.lmm(formula, cake[(row % 7 != 0) & (row % 11 != 0)], reml=True)
    assert model.is_singular()
    for ddf, (F, df) in IRREGULAR[formula].items():
        table = model.anova(ddf=ddf).to_frame()
        np.testing.assert_allclose(table["F"], F, rtol=1e-3)
        np.testing.assert_allclose(table["dendf"], df, rtol=1e-3)


def test_a_variance_that_the_fixed_effects_take(whole_plots):
    """Restricted likelihood does not depend on it: no df, whatever θ is left at."""
    rows = whole_plots(3, 2, 4, seed=1)
    model = mm.lmm("y ~ p + (1 | p)", rows, reml=True)
    for ddf in SMALL_SAMPLE:
        with pytest.raises(FitError, match="restricted likelihood does not depend on a variance"):
            model.coef_table(ddf=ddf)
    assert mm.lmm("y ~ p + (1 | p)", rows).coef_table(ddf="satterthwaite").to_frame()["df"].iloc[
        0
    ] == pytest.approx(24)


def steep_groups(slope, seed):
    """Six rows a group, whose means vary 1000 times as much as the residuals; t is of groups."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"g": np.repeat(list("abcdefghij"), 6), "x": rng.normal(size=60)})
    rows["t"] = np.repeat([0.0, 1.0] * 5, 6)
    effects = rng.normal(size=10)[:, None] * [1.0, slope]
    rows["y"] = np.repeat(effects[:, 0], 6) + 1e-3 * rng.normal(size=60)
    rows["y"] += np.repeat(effects[:, 1], 6) * rows["x"]
    return rows


#: Kenward and Roger's df of the intercept, x and t at a θ, in 50 digits.
STEEP = {
    (0.0, 1): ([765.510882, 0.114851679, 0.0], [8.162378591649, 5.235752947840, 7.939671903931]),
    (0.0, 2): ([1096.52353, 0.042674069, 0.0], [8.037123604825, 5.268167512653, 8.020017785857]),
    (1e-3, 3): (
        [1048.13865, 1.00695867, 0.0663602592],
        [10.483970495010, 8.552282810823, 4.138355519841],
    ),
}


@pytest.mark.parametrize("case", STEEP)
def test_residuals_far_below_the_random_effects(case):
    theta, df = STEEP[case]
    model = mm.LinearMixedModel("y ~ x + t + (x | g)", steep_groups(*case), reml=True)
    model._estimates = model._estimate(np.array(theta), model.objective_at(theta))
    found = model.coef_table(ddf="kr").to_frame()["df"]
    np.testing.assert_allclose(found, df, rtol=1e-6)
    assert np.isfinite(model.coef_table(ddf="satterthwaite").to_frame()["df"]).all()


@pytest.mark.parametrize("case", STEEP)
def test_df_where_the_searches_by_differences_and_by_derivatives_end(case):
    tables = [
        mm.lmm("y ~ x + t + (x | g)", steep_groups(*case), reml=True, optimizer=optimizer)
        .coef_table(ddf="kr")
        .to_frame()
        for optimizer in ("auto", "newton")
    ]
    np.testing.assert_allclose(tables[0]["df"], tables[1]["df"], rtol=1e-4)


def test_rounding_is_no_information():
    halves = steep_groups(1.0, 8).assign(k=list("uv") * 30)
    with pytest.warns(mm.NumbammWarning, match="rounding errors can be seen"):
        known = mm.lmm("y ~ x + (0 + x | g) + (x | g:k)", halves, sigma=3e-6)
    for model in (mm.lmm("y ~ x + t + (x | g)", steep_groups(1.0, 4), reml=True), known):
        with pytest.raises(FitError, match='ddf="wald"'):
            model.coef_table(ddf="satterthwaite")


@pytest.mark.parametrize("share", [1.0, 0.6, 1e-3, 0.0])
def test_one_variance_in_two_terms(whole_plots, share):
    """The same groups twice: how their variance is divided is of no interest."""
    rows = whole_plots(2, 4, 3, seed=2).assign(again=lambda d: d["p"])
    once = mm.lmm("y ~ t + (1 | p)", rows, reml=True)
    twice = mm.LinearMixedModel("y ~ t + (1 | p) + (1 | again)", rows, reml=True)
    theta = once.theta[0] * np.sqrt([share, 1 - share])
    twice._estimates = twice._estimate(theta, twice.objective_at(theta))
    for ddf in SMALL_SAMPLE:
        one, other = (m.coef_table(ddf=ddf) for m in (once, twice))
        np.testing.assert_allclose(other.frame["df"], one.frame["df"], rtol=1e-6)
        assert "Redundant random effects: 1 of" in repr(other)


FORMULAS = (
    "y ~ f * x + (x | g)",
    "y ~ x + z + (x + z | g)",
    "y ~ f + (f | g) + (x || h)",
    "y ~ x + (1 | g/h)",
    "y ~ x + (year | g)",
)


@given(seed=st.integers(0, 10**6), formula=st.sampled_from(FORMULAS))
@settings(max_examples=25, deadline=None)
def test_no_fit_is_refused(seed, formula):
    """Small irregular designs, most of them singular; both searches, in any units."""
    rng = np.random.default_rng(seed)
    groups, n = int(rng.integers(4, 12)), int(rng.integers(36, 90))
    g, h = np.r_[np.arange(groups), rng.integers(0, groups, n - groups)], rng.integers(0, 5, n)
    rows = pd.DataFrame({"g": g, "h": h, "f": rng.permutation(np.arange(n) % 3)}).astype(str)
    rows["x"] = rng.normal(size=n) * 10 ** rng.uniform(-1, 1) + rng.uniform(-3, 3)
    rows["z"], rows["year"] = rng.normal(size=n), 2000 + rng.permutation(np.arange(n) % 10)
    a, b, c = 10 ** rng.uniform(-2, 1, 3)
    y = a * rng.normal(size=groups)[g] + b * rng.normal(size=groups)[g] * rows["x"]
    rows["y"] = 10 ** rng.uniform(-3, 3) * (y + c * rng.normal(size=5)[h] + rng.normal(size=n))
    lowest = np.inf
    for optimizer in OPTIMISERS:
        model = mm.lmm(formula, rows, reml=True, optimizer=optimizer)
        if model.objective > lowest + 1e-6:
            continue  # BOBYQA may stop short of the minimum
        lowest = model.objective
        for ddf in SMALL_SAMPLE:
            table = model.coef_table(ddf=ddf).to_frame()
            assert np.isfinite(table["se"]).all() and (table["df"] > 0).all()
            assert table["pvalue"].between(0, 1).all()
