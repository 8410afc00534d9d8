"""The column that is meant, whatever its name: never another one in its place."""

import keyword
import unicodedata

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, FormulaError
from numbamm.formula import model_frame
from numbamm.formula.names import in_back_quotes, joined, split

N = 24
RNG = np.random.default_rng(8)
T, Y, OTHER = RNG.uniform(1, 2, N), RNG.normal(size=N), RNG.normal(size=(9, N)) + 50
G = np.arange(N) % 4
NAMES = st.one_of(
    st.text(max_size=5),
    st.text(alphabet="`'\"\\ \n\t.#:|~+(){}[]=x1_\u00a0µμéÅﬁ²😀", max_size=5),
    st.sampled_from([*keyword.kwlist, "log", "C", "np", "offset", "I", "pi", "TRUE", "log(x)"]),
)


def frame(name, values=T):
    """A column of that name, and others whose names are near."""
    near = {unicodedata.normalize(form, name) for form in ("NFC", "NFKC")} | {name.strip()}
    near |= {name.split(".")[0], name.strip("`"), "x", "y", "log(x)", "x * 2"}
    others = dict(zip(sorted(near - {name, "g", "resp", "1"}), OTHER, strict=False))
    return {**others, "resp": Y, "g": G, name: values}


def effect(formula, data):
    """The last column of the fixed effects; the same for some rows, and for what was printed."""
    mf = model_frame(formula, data)
    some = {k: v[[5, 2, 19]] for k, v in data.items()}
    assert_allclose(mf.new_rows(some).X, mf.X[[5, 2, 19]], atol=1e-12)
    assert_allclose(model_frame(mf.formula, pd.DataFrame(data)).X, mf.X)
    return mf.X[:, -1]


@settings(deadline=None, max_examples=30)
@given(name=NAMES)
@example(name="")
@example(name="`")
@example(name="a\nb")
@example(name=" x")
@example(name="quoted_78")
@example(name="_column0")
def test_any_name_in_back_quotes(name):
    if name in ("g", "resp", "1"):
        return
    data, q = frame(name), in_back_quotes(name)
    assert_allclose(effect(f"resp ~ {q} + (1 | g)", data), T)
    assert_allclose(effect(f"resp ~ I({q} * 2) + (1 | g)", data), 2 * T)
    assert_allclose(effect(f"resp ~ x + log({q}) + (1 | g)", data), np.log(T))
    assert_allclose(effect(f"resp ~ np.log({q}):I({q} > 0) + (1 | g)", data), np.log(T))
    assert_allclose(effect(f"resp ~ center({q}) + (1 | g)", data), T - T.mean(), atol=1e-12)
    assert_allclose(model_frame(f"{q} ~ x + (1 | g)", data).y, T)
    assert_allclose(model_frame(f"log({q}) ~ x + (1 | g)", data).y, np.log(T))
    mf = model_frame(f"resp ~ 1 + offset({q}) + (0 + {q} | g)", data)
    assert_allclose(mf.offset, T)
    assert_allclose(mf.reterms[0].z[0], T)
    group = model_frame(f"resp ~ 1 + (1 | {q}) + (1 | g:{q})", frame(name, np.arange(N) % 3))
    assert [len(t.levels) for t in group.reterms] == [12, 3]


@pytest.mark.parametrize(
    "name",
    [
        *("yield", "class", "lambda", "x²", "µ", "Å", "Ω", "ﬁx", "e\u0301", "हिन्दी", "_x", "__x"),
        *("x.y", "x.T", "x.y.z", ".x", "np.log", "np.values", "x.index"),
        *("log", "C", "np", "offset", "cbind", "df"),
    ],
)
def test_plain_names(name):
    data = frame(name)
    assert_allclose(effect(f"resp ~ {name} + (1 | g)", data), T)
    assert_allclose(effect(f"resp ~ I({name} * 2) + (1 | g)", data), 2 * T)
    assert_allclose(effect(f"resp ~ log({name}) + (1 | g)", data), np.log(T))
    assert_allclose(model_frame(f"{name} ~ x + (1 | g)", data).y, T)
    assert_allclose(model_frame(f"resp ~ 1 + (0 + {name} | g)", data).reterms[0].z[0], T)
    group = model_frame(f"resp ~ 1 + (1 | g:{name})", frame(name, np.arange(N) % 3))
    assert group.reterms[0].nlevels == 12


@pytest.mark.parametrize("name", keyword.kwlist)
def test_a_plain_response_is_a_column_before_it_is_python(name):
    assert_allclose(model_frame(f"{name} ~ x + (1 | g)", frame(name)).y, T)


def test_functions_beside_columns_of_their_names():
    data = {"log": T, "np": T + 1, "I": T + 2, "C": G % 3, "y": Y, "g": G}
    mf = model_frame("y ~ log(log) + np.log(np) + I(I + log) + C(C) + (1 | g)", data)
    assert_allclose(mf.X[:, 1:4].T, [np.log(T), np.log(T + 1), 2 * T + 2])
    assert mf.xnames[4:] == ["C(C)[T.1]", "C(C)[T.2]"]
    mf = model_frame("y ~ bs(x, df=4) + df + (1 | g)", {"x": T, "df": T + 1, "y": Y, "g": G})
    assert mf.X.shape == (N, 6)


def test_a_column_and_a_call_of_one_text_are_two_effects():
    data = {"x": T, "log(x)": T + 3, "x * 2": T + 9, "y": Y, "g": G}
    mf = model_frame("y ~ log(x) + `log(x)` + {x * 2} + `x * 2` + (1 | g)", data)
    columns = dict(zip(mf.xnames, mf.X.T, strict=True))
    assert_allclose(columns["log(x)"], np.log(T))
    assert_allclose(columns["`log(x)`"], T + 3)
    assert_allclose(columns["x * 2"], 2 * T)
    assert_allclose(columns["`x * 2`"], T + 9)


def test_an_attribute_of_a_column_with_dots_is_none():
    data = {"pain": Y, "pain.index": T, "g": G}
    for expression in ("pain.index.values", "I(pain.index.T)", "pain.T", "I(pain.index.max())"):
        with pytest.raises((FormulaError, DataError)):
            model_frame(f"pain ~ {expression} + (1 | g)", data)


@pytest.mark.parametrize("space", ["\u00a0", "\t", "\n", "  ", "\u2009", "\u3000"])
def test_white_space_in_quotes_stays(space):
    low, high = f"low{space}dose", "low dose"
    data = {"y": Y, "f": np.where(T > 1.5, low, high), f"a{space}b": T, "g": G}
    for formula in (f"y ~ I(f == '{low}') + (1 | g)", f'y ~ I((f == "{low}") * 1) + (1 | g)'):
        assert_allclose(model_frame(formula, data).X[:, 1], T > 1.5)
    mf = model_frame(f"y ~ `a{space}b` + C(f, levels=['{low}', '{high}']) + (1 | g)", data)
    assert_allclose(mf.X[:, 1:].T, [T, T <= 1.5])


def test_names_that_look_alike_are_not_taken_for_each_other():
    for there, typed in (("µg", "μg"), ("e\u0301t", "ét"), ("\u2126", "Ω"), ("ﬁ", "fi")):
        for formula in (f"y ~ {typed} + (1 | g)", f"y ~ I(`{typed}` + 1) + (1 | g)"):
            with pytest.raises(DataError, match="looks the same, but is spelt U\\+"):
                model_frame(formula, {"y": Y, "g": G, there: T})


def test_names_that_are_no_text():
    data = pd.DataFrame({"y": Y, "g": G, 2019: T, ("a", 1): T})
    with pytest.raises(DataError, match="the name of a column is 2019, which is not a string"):
        model_frame("y ~ `2019` + (1 | g)", data)
    assert_allclose(model_frame("y ~ `2019` + (1 | g)", data.rename(columns=str)).X[:, 1], T)


def test_models_of_odd_names_predict_and_average():
    rng = np.random.default_rng(4)
    n, g = 120, np.arange(120) % 12
    x, f = rng.normal(5, 1, n), np.array(["low dose", "high:dose", "no`ne"])[np.arange(n) % 3]
    y = x + (f == "low dose") + rng.normal(size=12)[g] + rng.normal(size=n)
    plain = mm.lmm("y ~ center(x) + f + (1 | g)", dict(y=y, x=x, f=f, g=g))
    data = pd.DataFrame({"yield": y, "µg.T": x, "class": f, "a `b`": g})
    odd = mm.lmm("yield ~ center(µg.T) + class + (1 | `a ``b```)", pl.from_pandas(data))
    assert_allclose(odd.objective, plain.objective)
    assert_allclose(odd.predict(data[7:9]), plain.fittedvalues[7:9])
    means = odd.emmeans("class").to_frame()
    assert_allclose(means["mean"], plain.emmeans("f").to_frame()["mean"], rtol=1e-6)


@given(st.lists(st.text(alphabet="ab:`1", min_size=1, max_size=4), min_size=2, max_size=4))
def test_joined_labels_can_be_taken_apart(labels):
    assert split(joined(labels)) == labels


def test_names_that_formulaic_would_take_for_its_own():
    data = frame("__x__", T) | {"__f__": np.array(list("ab"))[G % 2]}
    model = mm.lmm("resp ~ __x__ + __f__ + (1 | g)", data)
    assert model.frame.xnames == ["Intercept", "__x__", "__f__[T.b]"]
    means = model.emmeans("__f__", at={"__x__": [1.5]}).to_frame()
    assert_allclose(means["mean"].diff()[1], model.params["__f__[T.b]"])
