"""Formulas and data → response, model matrices and terms."""

import math
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from numbamm.errors import FormulaError
from numbamm.formula import check_gaussian, model_frame


def terms(mf):
    return [(t.group, t.cnames, t.structure.entries.tolist()) for t in mf.reterms]


def test_the_whole_of_a_simple_model(data):
    mf = model_frame("y~1+x+(1+x|g)", data)
    assert (mf.formula, mf.response) == ("y ~ 1 + x + (1 + x | g)", "y")
    assert mf.xnames == ["Intercept", "x"]
    assert_array_equal(mf.X, np.c_[np.ones(60), data.x])
    assert_array_equal(mf.y, data.y)
    (term,) = mf.reterms
    assert (term.group, term.cnames) == ("g", ["Intercept", "x"])
    assert_array_equal(term.levels, np.arange(12))
    assert_array_equal(term.refs, data.g)
    assert_array_equal(term.z, mf.X.T)
    assert term.structure.entries.tolist() == [0, 2, 3]
    assert mf.weights is mf.offset is mf.trials is mf.success_level is None
    assert_array_equal(mf.rows, np.arange(60))
    assert (mf.nrows, mf.n_missing, mf.n_zero_weight) == (60, 0, 0)
    assert mf.index.equals(data.index)
    assert "y ~ 1 + x" in repr(mf)


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("y ~ (1 | g)", ["Intercept"]),
        ("y ~ 0 + (1 | g)", []),
        ("y ~ x - 1 + (1 | g)", ["x"]),
        ("y ~ 0 + f + (1 | g)", ["f[a]", "f[b]", "f[c]"]),
        ("y ~ f * x + (1 | g)", ["Intercept", "f[T.b]", "f[T.c]", "x", "f[T.b]:x", "f[T.c]:x"]),
        ("y ~ x:f + (1 | g)", ["Intercept", "x:f[a]", "x:f[b]", "x:f[c]"]),
        ("y ~ x & t + (1 | g)", ["Intercept", "x:t"]),
        ("y ~ (x + t)^2 + (1 | g)", ["Intercept", "x", "t", "x:t"]),
        ("y ~ x * t - x:t + (1 | g)", ["Intercept", "x", "t"]),
        ("y ~ t/x + (1 | g)", ["Intercept", "t", "t:x"]),
        ("y ~ x %in% t + (1 | g)", ["Intercept", "x:t"]),
        ("y ~ I(x**2) + log (t) + (1 | g)", ["Intercept", "I(x ** 2)", "log(t)"]),
        ("y ~ poly(x, 2) + (1 | g)", ["Intercept", "poly(x, 2)[1]", "poly(x, 2)[2]"]),
        ("y ~ flag + (1 | g)", ["Intercept", "flag[T.True]"]),
        ("y ~ I(x > 0) + (1 | g)", ["Intercept", "I(x > 0)[T.True]"]),
        ("y ~ factor(g > 5) + (1 | h)", ["Intercept", "factor(g > 5)[T.True]"]),
        (
            "y ~ np.where(x > 0, 'b', '') + (1 | g)",
            ["Intercept", "np.where(x > 0, 'b', '')[T.b]"],
        ),
    ],
)
def test_fixed_effects(data, formula, names):
    mf = model_frame(formula, data)
    assert mf.xnames == names
    assert mf.X.shape == (60, len(names))
    assert mf.X.dtype == np.float64


@pytest.mark.parametrize(
    ("lhs", "cnames", "inds"),
    [
        ("(x | g)", ["Intercept", "x"], [0, 2, 3]),
        ("(0 + x | g)", ["x"], [0]),
        ("(f | g)", ["Intercept", "f[T.b]", "f[T.c]"], [0, 3, 6, 4, 7, 8]),
        ("(0 + f | g)", ["f[a]", "f[b]", "f[c]"], [0, 3, 6, 4, 7, 8]),
        ("(0 + fulldummy(f) | g)", ["f[a]", "f[b]", "f[c]"], [0, 3, 6, 4, 7, 8]),
        ("(fulldummy(flag) | g)", ["Intercept", "flag[False]", "flag[True]"], [0, 3, 6, 4, 7, 8]),
        ("zerocorr(f | g)", ["Intercept", "f[T.b]", "f[T.c]"], [0, 4, 8]),
        ("zerocorr((0 + x + t | g))", ["x", "t"], [0, 3]),
        ("(x || g)", ["Intercept", "x"], [0, 3]),
        ("(flag || g)", ["Intercept", "flag[False]", "flag[True]"], [0, 4, 7, 8]),
        ("(0 + x + flag || g)", ["x", "flag[False]", "flag[True]"], [0, 4, 7, 8]),
        ("(1 | g) + (0 + x | g)", ["Intercept", "x"], [0, 3]),
        ("(x:flag | g)", ["Intercept", "x:flag[False]", "x:flag[True]"], [0, 3, 6, 4, 7, 8]),
    ],
)
def test_left_of_the_bar(data, lhs, cnames, inds):
    assert terms(model_frame(f"y ~ x + {lhs}", data)) == [("g", cnames, inds)]


def test_double_bar_keeps_the_columns_of_a_factor_together(data):
    # as in lme4: (f || g) is (1 | g) + (0 + f | g), with all levels of f
    double = model_frame("y ~ 1 + (f || g)", data)
    spelt = model_frame("y ~ 1 + (1 | g) + (0 + f | g)", data)
    assert terms(double) == terms(spelt)
    assert_array_equal(double.reterms[0].z, spelt.reterms[0].z)


def test_terms_are_not_joined_on_request(data):
    mf = model_frame("y ~ 1 + (0 + x | h) + (1 | g) + (0 + x | g)", data, amalgamate=False)
    assert [(t.group, t.cnames) for t in mf.reterms] == [
        ("g", ["Intercept"]),
        ("g", ["x"]),
        ("h", ["x"]),
    ]
    again = mf.new_rows(data)
    for term, new in zip(mf.reterms, again.terms, strict=True):
        assert_array_equal(new.z, term.z)
        assert_array_equal(new.refs, term.refs)


def test_terms_are_ordered_by_size(data):
    mf = model_frame("y ~ 1 + (1 | flag) + (1 | h/f)", data)
    assert [(t.group, t.nlevels) for t in mf.reterms] == [("h:f", 15), ("h", 5), ("flag", 2)]
    assert list(mf.reterms[0].levels[:3]) == ["p:a", "p:b", "p:c"]


def test_a_grouping_factor_may_be_an_effect_too(data):
    mf = model_frame("y ~ h + (1 | h)", data)
    assert mf.X.shape == (60, 5)


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("log(t)", lambda d: np.log(d.t)),
        ("np.log(t)", lambda d: np.log(d.t)),
        ("t**2", lambda d: d.t**2),
        ("y/1000", lambda d: d.y / 1000),
        ("(y - x) * 2 + t", lambda d: (d.y - d.x) * 2 + d.t),
        ("I(y + 1)", lambda d: d.y + 1),
        ("flag", lambda d: d.flag.astype(float)),
        ("x > 0", lambda d: (d.x > 0).astype(float)),
        ("sqrt(abs(y))", lambda d: np.sqrt(abs(d.y))),
    ],
)
def test_responses(data, response, value):
    mf = model_frame(f"{response} ~ 1 + (1 | g)", data)
    assert mf.response == response
    assert_allclose(mf.y, value(data))


def test_counts_of_successes_and_failures(data):
    good = np.arange(60) % 4
    bad = np.where(good == 0, 0, 5 - good)
    frame = data.assign(good=good, bad=bad)
    mf = model_frame("cbind(good, bad) ~ x + (1 | g)", frame)
    kept = good > 0
    assert_allclose(mf.y, good[kept] / 5)
    assert_array_equal(mf.trials, np.full(kept.sum(), 5.0))
    assert mf.n_zero_weight == (~kept).sum()
    assert_array_equal(mf.rows, np.flatnonzero(kept))
    assert_array_equal(mf.X[:, 1], data.x[kept])


def test_a_response_of_two_levels(data):
    frame = data.assign(won=np.where(data.x > 0, "yes", "no"))
    mf = model_frame("won ~ 1 + (1 | g)", frame, two_level_response=True)
    assert mf.success_level == "yes"
    assert_array_equal(mf.y, data.x > 0)


def test_one_mask_for_everything_that_is_used(data):
    frame = data.assign(w=1.0, o=0.5, unused=np.nan)
    for row, name in enumerate(["y", "x", "t", "h", "w", "o"]):
        frame.loc[row, name] = np.nan
    off = np.zeros(60)
    weights = np.ones(60)
    weights[10] = np.nan
    mf = model_frame("y ~ x + offset(o) + (0 + t | h)", frame, weights="w", offset=off)
    assert mf.n_missing == 6
    assert_array_equal(mf.rows, np.arange(6, 60))
    assert len(mf.y) == len(mf.X) == len(mf.weights) == len(mf.offset) == 54
    assert mf.reterms[0].shape[0] == 54
    assert_array_equal(mf.y, data.y[6:])
    assert model_frame("y ~ 1 + (1 | g)", data, weights=weights).n_missing == 1


def test_zero_weights_drop_rows(data):
    weights = np.ones(60)
    weights[[3, 5]] = 0
    frame = data.copy()
    frame.loc[5, "x"] = np.nan
    mf = model_frame("y ~ x + (1 | g)", frame, weights=weights)
    assert (mf.n_missing, mf.n_zero_weight, len(mf.y)) == (1, 1, 58)
    assert_array_equal(mf.weights, np.ones(58))


def test_offsets_add_up(data):
    mf = model_frame("y ~ x + offset(2 * x) + offset(t) + (1 | g)", data, offset="y")
    assert_allclose(mf.offset, 2 * data.x + data.t + data.y)
    assert mf.xnames == ["Intercept", "x"]


def test_transforms_see_only_the_retained_rows(data):
    frame = data.copy()
    frame.loc[:9, "y"] = np.nan
    mf = model_frame("y ~ center(x) + (1 | g)", frame)
    assert abs(mf.X[:, 1].mean()) < 1e-15


def test_small_integers_do_not_wrap(data):
    frame = data.assign(small=np.full(60, 200, dtype=np.uint8), one=np.arange(60) % 2)
    mf = model_frame("y ~ I(one - small) + I(small**3) + (1 | g)", frame)
    assert_array_equal(mf.X[:, 1], frame.one - 200.0)
    assert_array_equal(mf.X[:, 2], np.full(60, 8e6))


def test_a_column_may_share_its_name_with_a_function(data):
    frame = data.rename(columns={"x": "log", "t": "C"})
    mf = model_frame("y ~ log + log(C) + C + C(f) + (1 | g)", frame)
    assert mf.xnames == ["Intercept", "log", "log(C)", "C", "C(f)[T.b]", "C(f)[T.c]"]
    columns = dict(zip(mf.xnames, mf.X.T, strict=True))
    assert_array_equal(columns["log"], data.x)
    assert_allclose(columns["log(C)"], np.log(data.t))


def test_names_that_need_quotes(data):
    frame = data.rename(columns={"x": "my x", "g": "the group", "y": "y (ms)"})
    mf = model_frame("`y (ms)` ~ `my x` + I(`my x`**2) + (`my x` | `the group`)", frame)
    assert mf.reterms[0].group == "the group"
    assert mf.reterms[0].cnames == ["Intercept", "my x"]
    assert_allclose(mf.X[:, 2], data.x**2)


def double(x):
    return 2 * x


def test_the_callers_functions_and_values(data):
    context = {"double": double, "mid": 0.25, "log": math.log, "pd": pd, "unused": object()}
    mf = model_frame("y ~ double(x - mid) + log(t) + (1 | g)", data, context=context)
    assert_allclose(mf.X[:, 1], 2 * (data.x - 0.25))
    assert_allclose(mf.X[:, 2], np.log(data.t))
    again = pickle.loads(pickle.dumps(mf))
    assert_array_equal(again.new_rows(data).X, mf.X)


def test_what_does_not_pickle_is_left_behind(data):
    mf = model_frame("y ~ twice(x) + (1 | g)", data, context={"twice": lambda x: 2 * x})
    again = pickle.loads(pickle.dumps(mf))
    assert_array_equal(again.X, mf.X)
    with pytest.raises(FormulaError, match="twice"):
        again.new_rows(data)


def test_a_pickle_holds_no_data(data):
    wide = pd.concat([data] * 200, ignore_index=True).assign(text="long text" * 20)
    mf = model_frame("y ~ f + poly(x, 2) + C(flag) + (f | g) + (1 | h:f)", wide)
    assert set(mf.columns) == {"f", "x", "flag"}  # what the fixed effects use, and no more
    mf.X = mf.y = mf.rows = mf.index = None
    mf.reterms.clear()
    mf.columns.clear()
    assert len(pickle.dumps(mf)) < 20_000


def test_importing_does_not_import_formulaic():
    import subprocess

    code = "import sys, numbamm.formula; assert not {'formulaic', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_checks_of_linear_models_pass_where_they_should(data):
    check_gaussian(model_frame("y ~ x + (1 + x | g) + (1 | h)", data))
    # uncorrelated columns are terms of their own: 30 levels × 1 each
    frame = data.assign(pair=np.arange(60) // 2)
    check_gaussian(model_frame("y ~ 1 + zerocorr(x | pair)", frame))
    check_gaussian(model_frame("y ~ 1 + (x | pair)", frame, weights=np.arange(1, 61)))
