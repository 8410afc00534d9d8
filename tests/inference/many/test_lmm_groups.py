"""Fits of groups of rows against `lmm` on each group's rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, FormulaError, NumbammWarning, OptionError


@pytest.fixture(scope="module")
def sites():
    """Groups of unequal structure: sizes, levels, missing values; some cannot be fitted."""
    rng, frames = np.random.default_rng(5), []
    for site in range(9):
        n = 24 + 4 * site
        child = rng.integers(0, 5 + site, n)
        f = rng.choice(list("abc")[: 2 + (site != 3)], n)
        y = rng.normal(size=n) + rng.normal(size=20)[child] * (site != 4)
        frames.append(
            pd.DataFrame({"site": f"site {site}", "child": child, "f": f, "week": range(n), "y": y})
        )
    data = pd.concat(frames).sample(frac=1, random_state=1).reset_index(drop=True)
    data["w"] = rng.uniform(0.5, 2, len(data))
    data.loc[data.index[::17], "y"] = np.nan
    data.loc[data["site"] == "site 5", "child"] = 1
    data.loc[data["site"] == "site 6", "y"] = 3.0
    data.loc[data["site"] == "site 7", "f"] = "a"
    return data


FORMULA = "y ~ f + center(week) + (1 | child)"


@pytest.fixture(scope="module")
def many(sites):
    with pytest.warns(NumbammWarning, match="3 of 9 could not be fitted"):
        return mm.lmm_groups(FORMULA, sites, "site", reml=True, fdr="bh", workers=2)


def test_fits_are_those_of_each_group(sites, many):
    """Transforms, levels and codings are the group's own."""
    frame = many.to_frame()
    for site, line in many.fits.iterrows():
        single = mm.lmm(FORMULA, sites[sites["site"] == site], reml=True)
        assert line["objective"] == pytest.approx(single.objective, abs=1e-8)
        assert line["nobs"] == single.nobs
        single.estimate_at(np.array([line["theta_child.Intercept"]]))
        tests = frame[frame["site"] == site].set_index("test")
        table = mm.coef_table(single, ddf="satterthwaite").to_frame()
        assert sorted(tests.index) == sorted(table.index)
        for column in ("estimate", "se", "df", "pvalue"):
            assert_allclose(tests.loc[table.index, column], table[column], rtol=1e-6, atol=1e-12)
    assert np.isnan(many.fits.loc["site 3", "beta_f[T.c]"])


def test_groups_that_cannot_be_fitted_are_kept_apart(many):
    assert list(many.failed) == ["site 5", "site 6", "site 7"]
    assert "single level" in many.failed["site 5"]
    assert "constant" in many.failed["site 6"]
    assert "'f' has a single level" in many.failed["site 7"]
    assert many.n == 9 and len(many.fits) == 6


def test_one_thread_or_two(sites, many):
    with pytest.warns(NumbammWarning):
        one = mm.lmm_groups(FORMULA, sites, "site", reml=True, fdr="bh", workers=1)
    pd.testing.assert_frame_equal(one.fits, many.fits)


def test_several_columns_make_groups(sites):
    data = sites[sites["site"].isin(["site 0", "site 8"])].assign(half=sites["week"] % 2)
    data["half"] = data["half"].mask(data["week"] == 3)
    r = mm.lmm_groups("y ~ week + (1 | child)", data, ["site", "half"], weights="w")
    assert r.keys == [(f"site {s}", float(h)) for s in (0, 8) for h in (0, 1)]
    part = data[(data["site"] == "site 8") & (data["half"] == 1)]
    single = mm.lmm("y ~ week + (1 | child)", part, weights="w")
    assert r.fits.loc[("site 8", 1.0), "objective"] == pytest.approx(single.objective, abs=1e-8)
    assert r.to_frame().columns[:3].to_list() == ["site", "half", "test"]


def test_combinations_are_tested_where_a_group_has_their_coefficients(sites):
    data = sites[sites["site"].isin(["site 0", "site 3"])]
    tests = {"c - b": {"f[T.c]": 1, "f[T.b]": -1}, "b": {"f[T.b]": 1}}
    r = mm.lmm_groups(FORMULA, data, "site", tests=tests)
    lines = list(r.to_frame()[["site", "test"]].itertuples(index=False, name=None))
    assert lines == [("site 0", "c - b"), ("site 0", "b"), ("site 3", "b")]
    with pytest.raises(OptionError, match="no group has the coefficients of 'd'"):
        mm.lmm_groups(FORMULA, data, "site", tests={"d": {"f[T.d]": 1}})
    with pytest.raises(OptionError, match="must be a dict or a frame"):
        mm.lmm_groups(FORMULA, data, "site", tests=[1, 0, 0, 0])


def test_the_callers_functions_are_found_on_threads(sites):
    def half(v):
        return v / 2

    data = sites[sites["site"].isin(["site 0", "site 3"])]
    r = mm.lmm_groups("y ~ half(week) + (1 | child)", data, "site", workers=2)
    assert "beta_half(week)" in r.fits


def test_what_cannot_be_asked(sites):
    with pytest.raises(DataError, match="no column 'place'"):
        mm.lmm_groups(FORMULA, sites, "place")
    with pytest.raises(FormulaError, match="no random-effects term"):
        mm.lmm_groups("y ~ week", sites, "site")
    with pytest.raises(DataError, match="no column 'weeks'"):
        mm.lmm_groups("y ~ weeks + (1 | child)", sites, "site")
    with pytest.raises(OptionError, match="must be the name of a column"):
        mm.lmm_groups(FORMULA, sites, "site", weights=np.ones(len(sites)))
    with pytest.raises(DataError, match="no row has a value of site"):
        mm.lmm_groups(FORMULA, sites.assign(site=np.nan), "site")


@pytest.mark.parametrize("right", ["f + week + (1 | child)", "week * f + (week | child)"])
def test_groups_that_share_a_model_frame(sites, right):
    """Columns without transforms are those of all rows, where a group has all levels."""
    data = sites[~sites["site"].isin(["site 5", "site 6", "site 7"])]
    r = mm.lmm_groups(f"y ~ {right}", data, "site", weights="w", reml=True)
    assert not r.failed
    for site, line in r.fits.iterrows():
        single = mm.lmm(f"y ~ {right}", data[data["site"] == site], weights="w", reml=True)
        assert line["objective"] == pytest.approx(single.objective, abs=1e-7)
        names = [f"beta_{name}" for name in single.feterm.kept_names]
        scale = single.bse.dropna().to_numpy()
        beta = line[names].to_numpy(dtype=float) / scale
        assert_allclose(beta, single.params.dropna() / scale, atol=1e-5)


def test_without_fixed_effects(sites):
    data = sites[sites["site"].isin(["site 0", "site 8"])]
    r = mm.lmm_groups("y ~ 0 + (1 | child)", data, "site")
    assert r.to_frame().empty and "2 groups: " in repr(r)
    for site, line in r.fits.iterrows():
        single = mm.lmm("y ~ 0 + (1 | child)", data[data["site"] == site])
        assert line["objective"] == pytest.approx(single.objective, abs=1e-8)


@pytest.mark.parametrize("sigma", [-1, 0, np.nan])
def test_a_sigma_that_is_not_positive_is_refused(sites, sigma):
    with pytest.raises(OptionError, match="sigma must be a positive number"):
        mm.lmm_groups(FORMULA, sites, "site", sigma=sigma)


def test_a_column_makes_groups_once(sites):
    with pytest.raises(OptionError, match="by has 'site' twice"):
        mm.lmm_groups(FORMULA, sites, ["site", "site"])
