"""What an expression may be: a language over columns, in which nothing runs but what is named."""

import timeit

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, FormulaError, NumbammError, OptionError
from numbamm.formula import model_frame
from numbamm.formula.expressions import read

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
        ("I(tools.leave_a_mark() or x)", "'and' and 'or' are not row by row", "tools"),
        ("tools.leave_a_mark(x)", "f = tools.leave_a_mark", "leave_a_mark"),
        ("I(x if tools.leave_a_mark() else t)", r"write ifelse\(", "x if"),
        ("np.where(x > 0, lambda: x, 0)", "lambda has no place", "lambda"),
        ("I([x for q in [1]][0])", "an index has no place", "[x for"),
        ("np.array([v for v in [1]])", "a comprehension has no place", "[v"),
        ("I({v: v for v in [1]})", "a comprehension has no place", "{v"),
        ("I((q := x))", "':=' has no place", "q"),
        ("I(f'{x}')", "a formatted text has no place", "f'"),
        ("I('%s' % x)", "arithmetic is for numbers", "'%s'"),
        ("np.maximum(*[x, t])", "'\\*' before an argument", "*["),
        ("C(f, **{'levels': [1]})", "'\\*\\*' has no place", "{'l"),
        ("I({1, 2})", "a set has no order", "{1"),
        ("I(eval('x'))", "there is no function 'eval'", "eval"),
        ("open('f', 'w')", "there is no function 'open'", "open"),
        ("I(getattr(x, 'T'))", "there is no function 'getattr'", "getattr"),
        ("I(max(x))", r"no function 'max'.*write np.max\(", "max"),
        ("I(__import__('os'))", "'__import__' is Python's own", "__import__"),
        ("I(x.__class__)", "'__class__' is Python's own", "__class__"),
        ("I((1).__class__)", "'__class__' is Python's own", "__class__"),
        ("I(np.log.__class__)", "'__class__' is Python's own", "__class__"),
        ("I(np.__builtins__)", "'__builtins__' is Python's own", "__builtins__"),
        ("I(np.add.reduce(x))", "an attribute has no place", "reduce"),
        ("np.load('f')", "np.load is none of numpy's functions that work row by row", "load"),
        ("np.save('f', x)", "np.save is none of numpy's", "save"),
        ("np.vectorize(leave)(x)", "a function is called by its name", "np.v"),
        ("C(f, contr.mro())", "an attribute has no place", "mro"),
        ("x.to_csv('f')", "an attribute has no place", "to_csv"),
        ("x.mean()", r"write center\(x\) or scale\(x\), or np.mean\(x\)", "mean"),
        ("I(x / x.max())", r"write np.max\(x\)", "max"),
        ("x.rank()", "'rank' looks at other rows: make it a column", "rank"),
        ("np.cumsum(x)", "np.cumsum looks at other rows", "cumsum"),
        ("lag(x)", "no function 'lag'.*would look at other rows", "lag"),
        ("I(f.str.len())", "an attribute has no place", "len"),
        ("I(x.values)", "an attribute has no place", "values"),
        ("x[0]", "an index has no place", "x["),
        ("I(x @ x)", "'@' sums over rows", "x @"),
        ("I(x << 2)", r"write 2\*\*k", "x <<"),
        ("I(not x)", r"write ~\(a > 1\)", "not"),
        ("I(0 < x < 1)", r"write \(0 < x\) & \(x < 1\)", "0 <"),
        ("I(f in ['a'])", r"write np.isin\(f", "f in"),
        ("I(x is None)", r"write np.isin\(f", "x is"),
        ("I(1j * x)", "a number, a text", "1j"),
        ("I(...)", "a number, a text", "..."),
        ("center(x, _state=t)", "'_state' is no argument", "t)"),
        ("np.add(x, 1, out=t)", "'out' is no argument", "t)"),
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
        ("y ~ bs(x, df=100000) + (1 | g)", "df=100000 would make a matrix"),
        ("y ~ poly(x, 10**6) + (1 | g)", "degree=1000000 would make a matrix"),
        ("y ~ hashed(f, levels=many) + (1 | g)", "levels=1000000000 would make a matrix"),
        ("y ~ (x + t)**999999999 + (1 | g)", "multiply out to more than"),
        ("y ~ (x + t + f + g)^10 + (1 | h)", "multiply out to more than"),
        ("y ~ " + "*".join(f"I(x + {k})" for k in range(20)) + " + (1 | g)", "multiply out"),
        ("y ~ 1 + (" + "*".join(f"I(x + {k})" for k in range(20)) + " | g)", "multiply out"),
        ("y ~ " + "(" * 40_000 + "x" + ")" * 40_000 + " + (1 | g)", "more than 50 brackets"),
        ("y ~ I(" + "(" * 40_000 + "x" + ")" * 40_000 + ") + (1 | g)", "more than 50 brackets"),
        ("y ~ I(" + "-" * 5_000 + "x) + (1 | g)", "nested too deeply"),
        ("y ~ I(" + "~" * 5_000 + "(x > 1)) + (1 | g)", "nested too deeply"),
        ("y ~ I(x" + " + x" * 2_000 + ") + (1 | g)", "nested too deeply"),
        ("y ~ I(x" + ".a" * 4_000 + ") + (1 | g)", "nested too deeply"),
        ("y ~ I(x + " + "1" * 20_000 + ") + (1 | g)", "20007 characters: at most"),
        ("y ~ x" + " + x" * 40_000 + " + (1 | g)", "characters: at most"),
        ("y ~ (1 | " + "/".join(f"g{k}" for k in range(3_000)) + ")", "more than 100 grouping"),
        ("y ~ (1 | " + ":".join(["(g/h)"] * 30) + ")", "more than 100 grouping"),
        ("y ~ I(x #) + (1 | g)", "'#' has no meaning"),
        ("y ~ I(x\0) + (1 | g)", "null bytes"),
        ("y ~ 'x' + (1 | g)", "a column's name stands plainly or in back-quotes"),
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


def test_python_is_restored_by_the_configuration_alone(data, tmp_path, monkeypatch):
    for formula in ("y ~ x.clip(0) + (1 | g)", "y ~ I([v for v in x]) + (1 | g)"):
        with pytest.raises(FormulaError):
            model_frame(formula, data)
        with mm.config.context(formula_code="full"):
            mf = model_frame(formula, data)
        some = data.iloc[[3, 40]]
        assert_allclose(mf.new_rows(some).X, mf.X[some.index])  # what was allowed stays so
    monkeypatch.setenv("NUMBAMM_FORMULA_CODE", "full")
    mf = model_frame("y ~ I((lambda v: v * 2)(x)) + I(max(1, 2) * t) + (1 | g)", data)
    assert_allclose(mf.X[:, 1:], 2 * data[["x", "t"]])
    monkeypatch.setenv("NUMBAMM_FORMULA_CODE", "some")
    with pytest.raises(OptionError, match="formula_code must be"):
        mm.config.get("formula_code")
    monkeypatch.delenv("NUMBAMM_FORMULA_CODE")
    (tmp_path / "numbamm.toml").write_text('formula_code = "full"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="formula_code cannot be set by a file"):
        mm.config.get("formula_code")


def test_restored_python_may_not_look_at_other_rows_either(data):
    with mm.config.context(formula_code="full"):
        for expression in ("I(x - x.mean())", "x.rank()", "I(x[::-1])", "I(x - x.iloc[0])"):
            with pytest.raises(FormulaError, match="where that row stands alone"):
                model_frame(f"y ~ {expression} + (1 | g)", data)


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


def test_columns_are_not_written_to(data):
    before = data.copy()
    for expression in ("log(t, t)", "np.exp(x, x)", "np.clip(x, 0, 1, x)", "np.round(x, 1, t)"):
        with pytest.raises(NumbammError):
            model_frame(f"y ~ {expression} + (1 | g)", data)
    pd.testing.assert_frame_equal(data, before)


def test_a_formula_that_was_read_is_read_again_in_no_time(data):
    names = list(data.columns)
    read("I(log(t + 1) * x)", names)
    assert timeit.timeit(lambda: read("I(log(t + 1) * x)", names), number=200) / 200 < 50e-6
