"""Effects of both sides of a bar, and those that have no meaning, refused in words."""

import numpy as np
import pytest
from formula.refusal import refuse
from numpy.testing import assert_array_equal

from numbamm.errors import FormulaError
from numbamm.formula import model_frame


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


def terms(mf):
    return [(t.group, t.cnames, t.structure.entries.tolist()) for t in mf.reterms]


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
