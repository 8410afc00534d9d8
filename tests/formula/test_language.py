"""What an expression may be: a language over columns, in which nothing runs but what is named."""

import timeit
from time import process_time

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from numbamm.errors import DataError, FormulaError, NumbammError
from numbamm.formula import model_frame

RAN = []


def leave_a_mark(*_):
    RAN.append(True)
    return 0


class Module:
    """Stands for a module of the caller's."""

    leave_a_mark = staticmethod(leave_a_mark)


SCOPE = {"tools": Module, "np": np, "pd": pd}


@pytest.mark.parametrize(
    ("expression", "message", "place"),
    [
        ("I(tools.leave_a_mark() or x)", "'and' and 'or' do not work row by row", "tools"),
        ("tools.leave_a_mark(x)", "f = tools.leave_a_mark", "leave_a_mark"),
        ("I(x if tools.leave_a_mark() else t)", r"write ifelse\(", "x if"),
        ("np.where(x > 0, lambda: x, 0)", "lambda is not allowed", "lambda"),
        ("I([x for q in [1]][0])", "an index is not allowed", "[x for"),
        ("np.array([v for v in [1]])", "a comprehension is not allowed", "[v"),
        ("I({v: v for v in [1]})", "a comprehension is not allowed", "{v"),
        ("I((q := x))", "':=' is not allowed", "q"),
        ("I(f'{x}')", "a formatted string is not allowed", "f'"),
        ("I('%s' % x)", "arithmetic is for numbers", "'%s'"),
        ("np.maximum(*[x, t])", "'\\*' before an argument", "*["),
        ("C(f, **{'levels': [1]})", "'\\*\\*' before arguments is not allowed", "{'l"),
        ("I({1, 2})", "a set has no order", "{1"),
        ("I(eval('x'))", "there is no function 'eval'", "eval"),
        ("open('f', 'w')", "there is no function 'open'", "open"),
        ("I(getattr(x, 'T'))", "there is no function 'getattr'", "getattr"),
        ("I(max(x))", r"no function 'max'.*write np.max\(", "max"),
        ("I(__import__('os'))", "'__import__' is internal to Python", "__import__"),
        ("I(x.__class__)", "'__class__' is internal to Python", "__class__"),
        ("I((1).__class__)", "'__class__' is internal to Python", "__class__"),
        ("I(np.log.__class__)", "'__class__' is internal to Python", "__class__"),
        ("I(np.__builtins__)", "'__builtins__' is internal to Python", "__builtins__"),
        ("I(np.add.reduce(x))", "an attribute is not allowed", "reduce"),
        ("np.load('f')", "np.load is none of numpy's functions that work row by row", "load"),
        ("np.save('f', x)", "np.save is none of numpy's", "save"),
        ("np.vectorize(leave)(x)", "a function is called by its name", "np.v"),
        ("C(f, contr.mro())", "an attribute is not allowed", "mro"),
        ("x.to_csv('f')", "an attribute is not allowed", "to_csv"),
        ("x.mean()", r"write center\(x\) or scale\(x\), or np.mean\(x\)", "mean"),
        ("I(x / x.max())", r"write np.max\(x\)", "max"),
        ("x.rank()", "'rank' uses the values of other rows: make it a column", "rank"),
        ("np.cumsum(x)", "np.cumsum uses the values of other rows", "cumsum"),
        ("lag(x)", "no function 'lag'.*would use the values of other rows", "lag"),
        ("I(f.str.len())", "an attribute is not allowed", "len"),
        ("I(x.values)", "an attribute is not allowed", "values"),
        ("x[0]", "an index is not allowed", "x["),
        ("I(x @ x)", "'@' sums over rows", "x @"),
        ("I(x << 2)", r"write 2\*\*k", "x <<"),
        ("I(not x)", r"write ~\(a > 1\)", "not"),
        ("I(0 < x < 1)", r"write \(0 < x\) & \(x < 1\)", "0 <"),
        ("I(f in ['a'])", r"write np.isin\(f", "f in"),
        ("I(x is None)", r"write np.isin\(f", "x is"),
        ("I(1j * x)", "a number, a string", "1j"),
        ("I(...)", "a number, a string", "..."),
        ("center(x, _state=t)", "the argument '_state' is not allowed", "t)"),
        ("np.add(x, 1, out=t)", "the argument 'out' is not allowed", "t)"),
        ("I(9**9**8)", "this number is too large", "9 **"),
        ("I(10**400 * x)", "this number is too large", "10 **"),
        ("I(x + 1e300**2)", "this number is too large", "1e"),
        ("I(x + 1 / 0)", "this divides by zero", "1 / 0"),
        ("I(x + C(1) > x)", r"C\(\) marks levels", "C(1)"),
        ("np.where(factor(f), x, 0)", r"factor\(\) marks levels", "factor"),
        ("I('a' * 10**10)", "arithmetic is for numbers", "'a'"),
        ("I([0] * 10**10)", "arithmetic is for numbers", "[0]"),
    ],
)
def test_refused_with_a_caret_and_the_alternative(data, expression, message, place):
    for formula in (f"y ~ {expression} + (1 | g)", f"y ~ 1 + (0 + {expression} | g)"):
        with pytest.raises(FormulaError, match=message) as caught:
            model_frame(formula, data, context=SCOPE)
        _, shown, caret = str(caught.value).split("\n")
        assert shown[len(caret) - 1 :].startswith(place)
    for formula in (f"y ~ offset({expression}) + (1 | g)", f"I({expression}) ~ (1 | g)"):
        with pytest.raises(FormulaError, match=message):
            model_frame(formula, data, context=SCOPE)
    assert not RAN


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ log(t, t) + (1 | g)", r"log\(\) takes one argument"),  # which would overwrite it
        ("y ~ np.add(x, t, t) + (1 | g)", r"add\(\) takes 2 arguments"),
        ("y ~ bs(x, df=100000) + (1 | g)", "df is 100000; it must be from 1 to 1000"),
        ("y ~ poly(x, 10**6) + (1 | g)", "degree is 1000000; it must be from 1 to 100"),
        ("y ~ hashed(f, levels=many) + (1 | g)", "levels is 1000000000; it must be"),
        ("y ~ (x + t)**999999999 + (1 | g)", "multiply out to more than"),
        ("y ~ (x + t + f + g)^10 + (1 | h)", "multiply out to more than"),
        ("y ~ " + "*".join(f"I(x + {k})" for k in range(20)) + " + (1 | g)", "multiply out"),
        ("y ~ 1 + (" + "*".join(f"I(x + {k})" for k in range(20)) + " | g)", "multiply out"),
        ("y ~ " + "(" * 40_000 + "x" + ")" * 40_000 + " + (1 | g)", "more than 50 brackets"),
        ("y ~ I(" + "(" * 40_000 + "x" + ")" * 40_000 + ") + (1 | g)", "more than 50 brackets"),
        ("y ~ I(" + "-" * 5_000 + "x) + (1 | g)", "nested too deeply"),
        ("y ~ I(" + "~" * 5_000 + "(x > 1)) + (1 | g)", "nested too deeply"),
        ("y ~ I(x" + " + x" * 2_000 + ") + (1 | g)", "nested too deeply"),
        ("y ~ I(x" + ".a" * 4_000 + ") + (1 | g)", "this name has 8001 characters"),
        ("y ~ I(x + " + "1" * 20_000 + ") + (1 | g)", "20007 characters: at most"),
        ("y ~ x" + " + x" * 40_000 + " + (1 | g)", "characters: at most"),
        ("y ~ (1 | " + "/".join(f"g{k}" for k in range(3_000)) + ")", "more than 100 grouping"),
        ("y ~ (1 | " + ":".join(["(g/h)"] * 30) + ")", "more than 100 grouping"),
        ("y ~ I(x #) + (1 | g)", "'#' has no meaning"),
        ("y ~ I(x\0) + (1 | g)", r"U\+0000 is not allowed"),
        ("y ~ 'x' + (1 | g)", "write a column's name plainly or in back-quotes"),
    ],
)
def test_limits(data, formula, message):
    def measured():
        with pytest.raises(FormulaError, match=message) as caught:
            model_frame(formula, data, context={"many": 10**9})
        assert len(str(caught.value)) < 1_000

    assert timeit.timeit(measured, number=1) < 2.0


@pytest.mark.parametrize("value", ["3", "'a'", "2 > 1", "np.mean(x) > 0", "TRUE", "pi", "np"])
def test_one_value_is_no_effect(data, value):
    with pytest.raises(DataError, match="one value, not one for each row|text, not numbers"):
        model_frame(f"y ~ I({value}) + (1 | g)", data, context={"np": np})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("I(2 * x**2 - t / 3 + 1)", lambda d: 2 * d.x**2 - d.t / 3 + 1),
        ("I(-x // 1 % 2)", lambda d: -d.x // 1 % 2),
        ("I(((x > 0) & ~(t < 2)) * 1.0)", lambda d: (d.x > 0) & (d.t >= 2)),
        ("np.where(x > 0, x, 0)", lambda d: d.x.clip(0)),
        ("ifelse(np.isin(f, ['a', 'b']), 1.0, -1)", lambda d: np.where(d.f == "c", -1, 1)),
        ("np.clip(x, -1, 1)", lambda d: d.x.clip(-1, 1)),
        ("np.round(x, 1)", lambda d: d.x.round(1)),
        ("np.maximum(x, t)", lambda d: np.maximum(d.x, d.t)),
        ("np.select([x > 1, x > 0], [2, 1], default=0)", lambda d: 1 * (d.x > 1) + (d.x > 0)),
        ("np.interp(t, [1, 5], [0, 1])", lambda d: (d.t - 1) / 4),
        ("exp10(x)", lambda d: 10**d.x),
        ("np.sin(2 * np.pi * t)", lambda d: np.sin(2 * np.pi * d.t)),
        ("numpy.log(t)", lambda d: np.log(d.t)),
        ("half(x) ", lambda d: d.x / 2),
        ("{x * 2}", lambda d: d.x * 2),
    ],
)
def test_allowed(data, expression, value):
    mf = model_frame(f"y ~ {expression} + (1 | g)", data, context={"half": lambda v: v / 2})
    assert_allclose(mf.X[:, 1], value(data), atol=1e-12)


@pytest.mark.parametrize(
    "formula", ["y ~ offset(x, t) + (1 | g)", "x, t ~ (1 | g)", "[x] ~ (1 | g)"]
)
def test_one_expression_where_one_is_needed(data, formula):
    with pytest.raises(FormulaError, match="one expression stands here"):
        model_frame(formula, data)


@pytest.mark.parametrize("effects", ["(-f - x) / t", "f f", "x ** t", "x +* t", "(x", "x : : t"])
def test_what_formulaic_cannot_read(data, effects):
    with pytest.raises(FormulaError, match="cannot be read|never closed|write I"):
        model_frame(f"y ~ {effects} + (1 | g)", data)


GREEDY = [
    # numbers and texts beyond bounds that only the evaluation can see
    ("I((TRUE + 8)**(9**9))", "this number is too large"),
    ("I(I(9)**(9**9))", "this number is too large"),
    ("I((~8)**(9**9) * x)", "this number is too large"),
    ("I(+9**(9**9) * x)", "this number is too large"),
    ("I(I('a') * 10**10)", "arithmetic is for numbers"),
    ("I(I([1]) * 10**9)", "arithmetic is for numbers"),
    ("I(I('%1000000000d') % 1)", "arithmetic is for numbers"),
    ("I(f * 2)", "arithmetic is for numbers"),
    ("I((huge // 1)**(10**8))", "too large for floats"),
    ("I(huge * 2)", "too large for floats"),
    ("np.power(huge, 2)", "too large for floats"),
    (
        "np.power(np.array([2**70]), 10**8)",
        "takes a list of strings, or of numbers of at most 64 bits",
    ),
    # types, shapes, memory and methods that numpy's functions would let choose
    ("np.array(9, dtype='O')", r"takes \(values\) in a formula"),
    ("np.array(x, 'U100000000')", r"takes \(values\) in a formula"),
    ("np.array(1, ndmin=64)", r"takes \(values\) in a formula"),
    ("np.array(x, like=x)", r"takes \(values\) in a formula"),
    ("np.ones_like(x, shape=10**10)", r"takes \(data\) in a formula"),
    ("np.zeros_like(x, 'f8', 'K', True, 10**10)", r"takes \(data\) in a formula"),
    ("np.isin(x > 0, [0, 10**10], kind='table')", "unexpected keyword argument 'kind'"),
    ("np.median(x, overwrite_input=True)", r"takes \(data\) in a formula"),
    ("np.median(x, None, t)", r"takes \(data\) in a formula"),
    ("np.mean(x, where=x > 0)", r"takes \(data\) in a formula"),
    ("np.searchsorted([1, 2], x, sorter=[5, 6])", "unexpected keyword argument 'sorter'"),
    ("np.add(x, t, dtype='O')", "takes 2 arguments in a formula"),
    ("np.log(x, where=t > 1)", "takes one argument in a formula"),
    ("np.pi(x)", "is a constant, not a function"),
    ("np.quantile(x, t)", "would use all rows of this argument"),
    ("np.left_shift(1, 10**9)", "none of numpy's functions"),
    ("np.tile(x, 10**9)", "none of numpy's functions"),
    ("np.linspace(0, 1, 10**9)", "none of numpy's functions"),
    ("np.vectorize(center)", "none of numpy's functions"),
    ("np.frompyfunc(center, 1, 1)", "none of numpy's functions"),
    ("np.fromfile('f')", "none of numpy's functions"),
    # matrices of too many columns, however their number is come by
    ("bs(x, df=np.array(100000))", "df is 100000; it must be from 1 to 1000"),
    ("bs(x, df=np.sum(x > -99) * 10**4)", "df is [0-9]+; it must be from 1 to 1000"),
    ("bs(x, degree=999)", "degree is 999; it must be from 0 to 20"),
    ("poly(x, -1)", "degree is -1"),
    ("poly(x, 2.5)", "degree must be a whole number"),
    ("hashed(f, 0)", "levels is 0"),
    ("C(f, levels='abc')", "levels must be a list of different values, not 'abc'"),
    ("C(f, levels=['a', 'a', 'b', 'c'])", "levels must be a list of different values"),
]


@pytest.mark.parametrize(("expression", "message"), GREEDY)
def test_greedy_expressions(data, expression, message):
    data = data.assign(huge=[10**400 + k % 4 for k in range(len(data))])
    for formula in (f"y ~ {expression} + (1 | g)", f"y ~ offset({expression}) + (1 | g)"):
        seconds = timeit.timeit(lambda f=formula: refused(f, data, message), number=1)
        assert seconds < 1.0


def refused(formula, data, message):
    with pytest.raises(NumbammError, match=message) as caught:
        model_frame(formula, data)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ " + ":".join(["(x+t)^2"] * 11_000) + " + (1|g)", "multiply out to more than"),
        ("y ~ " + ":".join(["x"] * 40_000) + " + (1|g)", "are crossed up to here"),
        ("y ~ (x + t)**" + "9" * 5_000 + " + (1|g)", "multiply out to more than"),
        ("y ~ " + " + ".join(f"(0 + I(x + {k}) | g)" for k in range(3_000)), "more than 1000"),
        ("y ~ " + " + ".join(["offset(x)"] * 3_000) + " + (1 | g)", "more than 1000"),
        ("y ~ " + "a" * 90_000 + " + (1 | g)", "this name has 90000 characters"),
        ("y ~ `" + "a" * 90_000 + "` + (1 | g)", "this name has 90002 characters"),
        ("y ~ I(f == '\ud800') + (1 | g)", r"U\+D800 is not allowed in a formula"),
        ("y ~ I(x;t) + (1 | g)", "cannot be read: invalid syntax"),
        ("y ~ I(x * " + "9" * 5_000 + ") + (1 | g)", "a number has too many digits"),
        ("y ~ I(x + _\uff43olumn0) + (1 | g)", "there is no column '_column0'"),
    ],
)
def test_long_and_odd_texts(data, formula, message):
    assert (
        timeit.timeit(lambda: refused(formula, data, message), timer=process_time, number=1) < 1.5
    )


def test_syntax_errors_have_a_caret(data):
    with pytest.raises(FormulaError) as caught:
        model_frame("y ~ I(x t) + (1 | g)", data)
    *_, line, caret = str(caught.value).splitlines()
    assert line[caret.index("^") :].startswith("x t")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("expression", ["I(f == '\\d')", "I(1if x else 2)", "I(x is 1)", "I(1(x))"])
def test_no_warnings_of_pythons(data, expression):
    with pytest.raises(NumbammError):
        model_frame(f"y ~ {expression} + (1 | g)", data)
