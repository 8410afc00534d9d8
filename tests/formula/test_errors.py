"""Bad input, each an error in words, before heavy work."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm import memory
from numbamm.errors import DataError, FormulaError
from numbamm.formula import check_gaussian, model_frame


def refuse(error, message, formula, data, **options):
    with pytest.raises(error, match=message):
        model_frame(formula, data, **options)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ xx + (1 | g)", "no column 'xx' in the data; did you mean 'x'"),
        ("y ~ X + (1 | g)", "no column 'X' in the data; did you mean 'x'"),
        ("y ~ log(dosis) + (1 | g)", r"no column 'dosis' .*log\(dosis\).*did you mean 'dose'"),
        ("y ~ x + (1 | gg)", "no column 'gg' in the data; did you mean 'g'"),
        ("y ~ x + (dosis | g)", "no column 'dosis' in the data; did you mean 'dose'"),
        ("yy ~ x + (1 | g)", "no column 'yy' in the data, for 'yy'; did you mean 'y'"),
        ("y ~ x + offset(q) + (1 | g)", "no column 'q'"),
    ],
)
def test_unknown_columns(data, formula, message):
    refuse(DataError, message, formula, data)


def test_a_name_of_the_callers_scope_is_no_column(data):
    refuse(DataError, "no column 'z'", "y ~ z + (1 | g)", data, context={"z": np.zeros(60)})


def test_unknown_functions(data):
    message = r"no function 'lgo' for 'lgo\(x\)'; did you mean 'log'"
    refuse(FormulaError, message, "y ~ lgo(x) + (1 | g)", data)
    refuse(FormulaError, message, "y ~ lgo(x) + (1 | g)", data, context={"lgo": 3})


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ x", "no random-effects term"),
        ("y ~ (1 | g", "never closed"),
        ("y ~ (x | x)", r"in \(x \| x\), 'x' stands on both sides of the bar"),
        ("y ~ (log(t) | h:t)", "'t' stands on both sides"),
        ("y ~ (1 | g) + (x | g)", "'Intercept' occurs twice .* 'g'.*0 \\+ x"),
        ("y ~ (1 | g) + (1 | h/f) + (1 | h)", "'Intercept' occurs twice .* 'h'"),
        ("y ~ (1 | g:h) + (1 | h:g)", "'Intercept' occurs twice .* 'h:g'"),
        ("y ~ x**2 + (1 | g)", r"write I\(x\*\*2\)"),
        ("y ~ x + (x^2 | g)", r"write I\(x\*\*2\)"),
        ("y ~ (0 | g)", "'g' has no columns left of its bar"),
        ("y ~ (0 || g)", "'g' has no columns left of its bar"),
        ("y ~ log(t)^2 + (1 | g)", r"write I\(x\*\*2\)"),
        ("y ~ f * (x)**2 + (1 | g)", r"write I\(x\*\*2\)"),
        ("y ~ (log(t + 1))^2 + (1 | g)", r"write I\(x\*\*2\)"),
        ("y ~ ^2 + (1 | g)", r"write I\(x\*\*2\)"),
        ("y ~ x + 3 + (1 | g)", "a number outside of a call is the intercept"),
        ("y ~ 1/t + (1 | g)", r"a number outside of a call.*write I\(x / 2\)"),
        ("y ~ 2:x + (1 | g)", "a number outside of a call"),
        ("y ~ 0 * x + (1 | g)", "a number outside of a call"),
        ("y ~ x + (1/t | g)", "a number outside of a call"),
        ("y ~ (0 + x) * f + (1 | g)", "only be left out of the whole sum"),
        ("y ~ x + (f:(x - 1) | g)", "only be left out of the whole sum"),
        ("y ~ x + `1` + (1 | g)", "a column '1' has the name of the intercept"),
        ("y ~ I(x > 0 & flag) + (1 | g)", "bind tighter than a comparison"),
        ("y ~ x + (ifelse(flag | x == 1, 1, 0) | g)", "bind tighter than a comparison"),
        ("y > 0 & flag ~ x + (1 | g)", "bind tighter than a comparison"),
        ("y ~ as.factor(x) + (1 | g)", r"'as.factor\(x\)' cannot be read: invalid syntax"),
        ("y ~ center(t, 1, 2) + (1 | g)", r"'center\(t, 1, 2\)' cannot be evaluated: TypeError"),
        ("y ~ hashed(f, t) + (1 | g)", "levels must be a whole number"),
        ("center(y, 1, 2) ~ (1 | g)", "cannot be evaluated: TypeError"),
        ("y + ~ (1 | g)", "'y \\+' is not a Python expression"),
    ],
)
def test_formulas(data, formula, message):
    refuse(FormulaError, message, formula, data)


def test_two_columns_of_one_name(data):
    data = data.assign(**{"x:t": 1.0 * data.g, "f[T.b]": data.x})
    refuse(FormulaError, "two columns .* are called 'x:t'", "y ~ x:t + `x:t` + (1 | g)", data)
    refuse(FormulaError, r"are called 'f\[T.b\]'", "y ~ f + `f[T.b]` + (1 | g)", data)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("poly(t, 2) ~ x + (1 | g)", r"'poly\(t, 2\)' gives 2 columns where one is needed"),
        ("y ~ x + offset(poly(t, 1)) + (1 | g)", "gives 1 columns where one is needed"),
        ("f ~ x + (1 | g)", "'f' is categorical, not numeric"),
        ("when ~ x + (1 | g)", "'when' holds dates, not numbers"),
        ("y ~ when + (1 | g)", "'when' holds dates, not numbers"),
        ("log(x) ~ t + (1 | g)", r"'log\(x\)' is not a finite number in \d+ rows"),
        ("y ~ log(x) + (1 | g)", r"'log\(x\)' is not a finite number in \d+ rows"),
        ("y ~ t + (log(x) | g)", r"'log\(x\)' is not a finite number"),
        ("y ~ offset(1 / (t - t)) + (1 | g)", "is not a finite number in 60 rows"),
        ("y ~ offset(f) + (1 | g)", "'f' is categorical"),
        ("y ~ some(f) + (1 | g)", "gives 3 values for 60 rows"),
        ("y ~ C(f, levels=['a', 'b']) + (1 | g)", "is none of the levels"),
        ("cbind(x, t) ~ 1 + (1 | g)", "has a negative count"),
        ("y ~ x + (1 | one)", "'one' has a single level"),
        ("y ~ x + (1 | lists)", "'lists' cannot be used: unhashable"),
        ("y ~ big + (1 | g)", r"column 'big' is infinite in 1 row \(.*: 7\)"),
    ],
)
def test_data(data, formula, message):
    frame = data.assign(when=pd.Timestamp("2020-01-01"), one=1, big=1.0, lists=[[1]] * 60)
    frame.loc[7, "big"] = np.inf
    refuse(DataError, message, formula, frame, context={"some": lambda values: values[:3]})


def test_rows_are_counted_in_the_data_as_given(data):
    frame = data.assign(z=1.0)
    frame.loc[[0, 1], "x"] = np.nan
    frame.loc[9, "z"] = -1
    refuse(DataError, r"'log\(z\)' .* in 1 row \(.*: 9\)", "y ~ x + log(z) + (1 | g)", frame)
    refuse(DataError, r"'log\(z\)' .* in 1 row \(.*: 9\)", "log(z) ~ x + (1 | g)", frame)


def test_an_unused_column_may_be_anything(data):
    frame = data.assign(big=np.inf, lists=[[1]] * 60)
    assert model_frame("y ~ x + (1 | g)", frame).n_missing == 0


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(59), r"weights: shape \(59,\) where the data have 60 rows"),
        (np.ones((60, 1)), r"weights: shape \(60, 1\)"),
        (2.0, r"weights: shape \(\)"),
        (np.r_[-1.0, np.ones(58), -2], r"negative or infinite in 2 rows \(.*0, 59\)"),
        (np.r_[np.inf, np.ones(59)], r"negative or infinite in 1 row"),
        (np.zeros(60), "no row is left of 60: 0 miss a value .* 60 have zero weight"),
        (np.full(60, np.nan), "no row is left of 60: 60 miss a value"),
        (["a"] * 60, "weights must be numbers"),
        (np.ones(60, dtype="m8[s]"), "weights must be numbers"),
        ("xx", r"no column 'xx' in the data \(weights\); did you mean 'x'"),
        ("f", r"column 'f' \(weights\) must be numbers"),
    ],
)
def test_weights(data, weights, message):
    refuse(DataError, message, "y ~ x + (1 | g)", data, weights=weights)


def test_offsets(data):
    formula = "y ~ x + (1 | g)"
    refuse(DataError, r"offset: shape \(3,\)", formula, data, offset=np.ones(3))
    refuse(DataError, "offset: infinite in 60 rows", formula, data, offset=np.full(60, np.inf))


def test_no_rows(data):
    formula = "y ~ x + (1 | g)"
    refuse(DataError, "the data have no rows", formula, data.iloc[:0])
    refuse(DataError, "the data have no rows", formula, {})
    refuse(DataError, "no row is left of 60", formula, data.assign(x=np.nan))
    refuse(DataError, "must be a data frame", formula, [1, 2])


def test_a_two_level_response_has_two_levels(data):
    message = "'f' has 3 levels, not two: 'a', 'b', 'c'"
    refuse(DataError, message, "f ~ x + (1 | g)", data, two_level_response=True)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("one ~ x + (1 | g)", r"'one' is constant \(1\)"),
        ("y ~ x + (1 | t)", "'t' is continuous: each of the 60 rows has a level of its own"),
        ("y ~ x + (1 | row)", r"60 random effects \(60 levels × 1\) for 60 observations"),
        ("y ~ x + (x | pair)", r"60 random effects \(30 levels × 2\) for 60 observations"),
        ("y ~ x + (1 | pair/flag) + (1 | g:h)", r"60 random effects"),
    ],
)
def test_what_a_linear_model_cannot_tell_apart(data, formula, message):
    frame = data.assign(one=1.0, row=np.arange(60), pair=np.arange(60) // 2)
    mf = model_frame(formula, frame)
    with pytest.raises(DataError, match=message):
        check_gaussian(mf)


def test_more_columns_than_fit_into_memory(monkeypatch):
    """They are counted before any is made, on both sides of a bar."""
    rng = np.random.default_rng(0)
    n = 30_000
    levels = [f"l{i}" for i in range(300)]
    data = {
        "y": rng.normal(size=n),
        "f": rng.choice(levels, n),
        "h": rng.choice(levels, n),
        "k": rng.integers(0, 300, n),
        "x": rng.normal(size=n),
        "g": np.arange(n) % 9,
    }
    monkeypatch.setattr(memory, "available", lambda: 1e9)
    for effects, name, count in (
        ("f * h + x", "f:h", "89,401 of 90,001"),
        ("x + C(k):f", "C(k):f", "89,401 of 89,403"),
        ("f:poly(x, 5)", "f:poly(x, 5)", "1,495 of 1,496"),
    ):
        for formula in (f"y ~ {effects} + (1 | g)", f"y ~ 1 + ({effects} | g)"):
            with pytest.raises(mm.DataError) as refusal:
                mm.LinearMixedModel(formula, data)
            assert f"'{name}' alone has {count} columns" in str(refusal.value)
    assert mm.LinearMixedModel("y ~ f + (1 | g)", data).feterm.rank == 300


@pytest.mark.parametrize("what", ["weights", "offset"])
def test_complex_weights_and_offsets(what):
    data = {"y": np.arange(6.0), "g": [1, 1, 2, 2, 3, 3]}
    for values in (np.full(6, 1j), np.full(6, 1 + 0j), pd.Series(np.full(6, 2 + 1j))):
        refuse(DataError, f"{what}: complex numbers", "y ~ 1 + (1 | g)", data, **{what: values})
