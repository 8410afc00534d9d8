"""Fits of many responses against `lmm` one by one, and what is kept apart."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference.many.many_designs import DESIGNS, one, responses, rows
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, FormulaError, NumbammWarning, OptionError
from numbamm.inference.random.components import Components

DATA = rows()
Y = responses(DATA)


@pytest.mark.parametrize("name", DESIGNS)
def test_fits_are_those_of_one_by_one(name):
    """The same optimum, to which `lmm` comes to some seven digits; and the same numbers at it."""
    right, options = DESIGNS[name]
    many = mm.lmm_many(f"~ {right}", DATA, Y, workers=1, **options)
    assert not many.failed
    fits, frame = many.fits, many.to_frame()
    for k in fits.index:
        single, line = one(DATA, Y, k, right, options), fits.loc[k]
        theta = fits.filter(like="theta_").loc[k].to_numpy()
        assert line["objective"] == pytest.approx(single.objective, abs=1e-7)
        assert_allclose(theta, single.theta, atol=1e-4 * (1 + np.abs(single.theta).max()))
        slope = single.objective_gradient(theta)[1]
        if name != "homdiag":  # refitted by `lmm`'s own search
            assert np.abs(slope * (0.01 + np.abs(theta))).max() < 1e-6
        single.estimate_at(theta)
        assert line["nobs"] == single.nobs
        assert line["sigma"] == pytest.approx(single.sigma, rel=1e-9)
        assert line["singular"] == single.is_singular()
        components = Components.of(single)
        values = components.values(single.theta[None], np.array([single.sigma]))[0]
        assert_allclose(line[components.names].astype(float), values, rtol=1e-7)
        tests = frame[frame["response"] == k].set_index("test")
        table = mm.coef_table(single, ddf="satterthwaite").to_frame().dropna(subset=["estimate"])
        assert tests.index.to_list() == table.index.to_list()
        scale = table["se"].to_numpy()
        assert_allclose(tests["estimate"] / scale, table["estimate"] / scale, atol=1e-8, rtol=1e-11)
        for column in ("se", "df", "statistic", "pvalue"):
            assert_allclose(tests[column], table[column], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("right", "options"),
    [
        ("0 + (1 | g)", {"reml": True}),
        ("0 + (1 + x | g) + (1 | h)", {"weights": "w", "offset": "off"}),
    ],
)
def test_without_fixed_effects(right, options):
    many = mm.lmm_many(f"~ {right}", DATA, Y[:, :7], fdr=True, **options)
    assert not many.failed and many.to_frame().empty and "7 responses: " in repr(many)
    for k in many.keys:
        single, line = one(DATA, Y, k, right, options), many.fits.loc[k]
        assert line["objective"] == pytest.approx(single.objective, abs=1e-7)
        assert line["sigma"] == pytest.approx(single.sigma, rel=1e-4)


def test_results_do_not_depend_on_threads_or_the_executor():
    options = {"reml": True, "fdr": "bh"}
    one_thread = mm.lmm_many("~ x + (1 + x | g)", DATA, Y, workers=1, **options).fits
    two = mm.lmm_many("~ x + (1 + x | g)", DATA, Y, workers=2, **options).fits
    with ThreadPoolExecutor(2) as pool:
        pooled = mm.lmm_many("~ x + (1 + x | g)", DATA, Y, workers=pool, **options).fits
    assert one_thread.equals(two) and one_thread.equals(pooled)


@given(st.permutations(range(9)))
def test_results_do_not_depend_on_the_other_responses(order):
    right = "~ x + (1 + x | g)"
    some = mm.lmm_many(right, DATA, Y[:, order], workers=1).fits
    every = mm.lmm_many(right, DATA, Y, workers=1).fits
    assert_allclose(
        some.to_numpy(float), every.iloc[list(order)].to_numpy(float), rtol=1e-9, atol=1e-300
    )


@given(st.permutations(range(60)))
def test_the_order_of_rows_does_not_matter(order):
    order = list(order)
    some = mm.lmm_many("~ x + (1 + x | g)", DATA.iloc[order], Y[order, :4], workers=1).fits
    every = mm.lmm_many("~ x + (1 + x | g)", DATA, Y[:, :4], workers=1).fits
    columns = ["objective", "sigma", "beta_x", "se_x"]
    assert_allclose(some[columns], every[columns], rtol=1e-7)


def unusable():
    """Responses that cannot be fitted, by the words that say why, and one that can."""
    n, some = len(DATA), Y[:, 1].copy()
    bad = {
        "constant": np.full(n, 3.0),
        "infinite": np.where(np.arange(n) == 4, np.inf, some),
        "missing": np.full(n, np.nan),
        "explain it exactly": 2 + 3 * DATA["x"].to_numpy(),
        "double precision": 1e200 * some,
        "single level": np.where(DATA["g"] == 3, some, np.nan),
        "observations": np.where(np.isin(np.arange(n), [1, 2, 3, 5]), some, np.nan),
        "constant (0)": np.zeros(n),
    }
    return pd.DataFrame({**bad, "fine": some})


def test_responses_that_cannot_be_fitted_are_kept_apart():
    bad = unusable()
    with pytest.warns(NumbammWarning, match="8 of 9 could not be fitted, 'constant' among them"):
        many = mm.lmm_many("~ x + (1 + x | g)", DATA, bad, workers=1)
    assert list(many.failed) == list(bad)[:-1]
    for words, reason in many.failed.items():
        assert words.split(" (")[0] in reason, (words, reason)
    assert many.fits.index.to_list() == ["fine"] and many.n == 9
    alone = mm.lmm_many("~ x + (1 + x | g)", DATA, bad[["fine"]], workers=1).fits
    assert_allclose(many.fits.to_numpy(float), alone.to_numpy(float), rtol=1e-12)
    assert "9 responses: " in repr(many) and "8 failed" in repr(many)


def test_a_response_that_levels_explain_is_refused_or_doubted():
    g = DATA["g"].astype("category").cat.codes.to_numpy()
    rng = np.random.default_rng(2)
    b, e = 10 * rng.normal(size=20)[g], rng.normal(size=len(g))
    with pytest.warns(NumbammWarning, match="1 of 3"):
        many = mm.lmm_many("~ x + (1 | g)", DATA, np.column_stack([b + e, b + 1e-4 * e, b]))
    assert [*many.doubts] == [1] and "rounding errors" in many.doubts[1]
    assert [*many.failed] == [2] and "rounding errors hide it" in many.failed[2]


def test_coefficients_keep_their_meaning_where_a_level_is_missing():
    """Without the reference level no difference from it can be estimated, but others can."""
    y = np.where(DATA["f"] == "a", np.nan, Y[:, 1])
    tests = {"c - b": {"f[T.c]": 1, "f[T.b]": -1}, "x": {"x": 1}, "b": {"f[T.b]": 1}}
    tests = {f"test {name}": line for name, line in tests.items()}
    many = mm.lmm_many("~ x + f + (1 | g)", DATA, y, reml=True, tests=tests)
    frame = many.to_frame().set_index("test")
    assert frame.index.to_list() == ["test c - b", "test x"]
    kept = DATA.assign(y=y)[DATA["f"] != "a"]
    single = mm.lmm("y ~ x + f + (1 | g)", kept, reml=True)
    table = mm.coef_table(single, ddf="satterthwaite").to_frame()
    for name, other in (("test c - b", "f[T.c]"), ("test x", "x")):
        columns = ["estimate", "se", "df"]
        assert_allclose(
            frame.loc[name, columns].astype(float), table.loc[other, columns], rtol=1e-5
        )
    assert np.isnan(many.fits["beta_f[T.b]"].iloc[0])
    assert many.fits["beta_x"].iloc[0] == pytest.approx(single.params["x"], rel=1e-6)


def test_every_response_may_lack_other_rows():
    holes = Y[:, [1] * 30].copy()
    rng = np.random.default_rng(1)
    for k in range(30):
        holes[rng.choice(len(DATA), 1 + k % 4, replace=False), k] = np.nan
    many = mm.lmm_many("~ x + (1 + x | g)", DATA, holes, reml=True, workers=1)
    for k in (0, 7, 29):
        single = one(DATA, holes, k, "x + (1 + x | g)", {"reml": True})
        assert many.fits.loc[k, "objective"] == pytest.approx(single.objective, abs=1e-8)
        assert many.fits.loc[k, "se_x"] == pytest.approx(single.bse["x"], rel=1e-5)


def test_tests_of_given_combinations():
    single = one(DATA, Y, 2, "x + f + (1 | g)", {"reml": True})
    tests = {"mean": {"Intercept": 1, "x": 0.5}, "b - c": {"f[T.b]": 1, "f[T.c]": -1}}
    many = mm.lmm_many("~ x + f + (1 | g)", DATA, Y, reml=True, tests=tests)
    own = many.to_frame()
    own = own[own["response"] == 2].set_index("test")
    table = mm.contrast(single, tests).to_frame()
    for column in ("estimate", "se", "df", "pvalue"):
        assert_allclose(own[column], table[column], rtol=1e-4)
    wald = mm.lmm_many("~ x + f + (1 | g)", DATA, Y, reml=True, tests=tests, ddf="wald").to_frame()
    assert np.isinf(wald["df"]).all()
    assert_allclose(wald["se"], many.to_frame()["se"], rtol=1e-9)
    with pytest.raises(OptionError, match="no coefficient 'z'"):
        mm.lmm_many("~ x + (1 | g)", DATA, Y, tests={"z": 1})
    with pytest.raises(DataError, match="not estimable: x"):
        mm.lmm_many("~ x + x2 + (1 | g)", DATA, Y, tests={"x": {"x": 1}})
    with pytest.raises(OptionError, match="'x' is the name of a coefficient"):
        mm.lmm_many("~ x + (1 | g)", DATA, Y, tests={"x": {"x": 2}})


def test_false_discoveries_are_those_of_statsmodels():
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    for name in ("bh", "by"):
        many = mm.lmm_many("~ x + (1 | g)", DATA, Y, fdr=name)
        for test in ("Intercept", "x"):
            frame = many.to_frame(test)
            known = multipletests(frame["pvalue"], method=f"fdr_{name}")[1]
            assert_allclose(frame["padjusted"], known, rtol=1e-12)
    with pytest.raises(OptionError, match="fdr must be one of"):
        mm.lmm_many("~ x + (1 | g)", DATA, Y, fdr="bonferroni")


def test_the_left_side_may_be_absent_or_a_name():
    fits = [mm.lmm_many(f"{left}x + (1 | g)", DATA, Y).fits for left in ("~ ", "y ~ ", "x ~ ", "")]
    assert all(other.equals(fits[0]) for other in fits[1:])
    with pytest.raises(FormulaError, match="compute transformed responses in Y"):
        mm.lmm_many("log(y) ~ x + (1 | g)", DATA, Y)
    with pytest.raises(FormulaError, match="no random-effects term"):
        mm.lmm_many("~ x", DATA, Y)


def test_the_callers_functions_are_found():
    def doubled(v):
        return 2 * v

    many = mm.lmm_many("~ doubled(x) + (1 | g)", DATA, Y[:, :2])
    plain = mm.lmm_many("~ x + (1 | g)", DATA, Y[:, :2])
    assert_allclose(2 * many.fits["beta_doubled(x)"], plain.fits["beta_x"], rtol=1e-7)


def test_degrees_of_freedom_that_are_not_for_many():
    with pytest.raises(OptionError, match="fit the responses of interest by lmm"):
        mm.lmm_many("~ x + (1 | g)", DATA, Y, ddf="kenward-roger")
    with mm.config.context(ddf="wald"):
        assert np.isinf(mm.lmm_many("~ x + (1 | g)", DATA, Y).to_frame()["df"]).all()


def test_rows_without_covariates_are_dropped_for_all():
    holes = DATA.assign(x=DATA["x"].where(DATA.index != 11))
    many = mm.lmm_many("~ x + (1 | g)", holes, Y[:, :2])
    single = one(holes, Y, 1, "x + (1 | g)", {})
    assert many.fits["nobs"].to_list() == [59, 59]
    assert many.fits.loc[1, "objective"] == pytest.approx(single.objective, abs=1e-8)
