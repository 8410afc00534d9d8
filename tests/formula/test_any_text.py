"""Whatever the text and the columns: a model frame that predicts its own rows, or our own error."""

import datetime as dt

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from numbamm.errors import NumbammError
from numbamm.formula import model_frame

N = 40
RNG = np.random.default_rng(6)
DATA = {
    "y": RNG.normal(size=N),
    "x": RNG.normal(size=N),
    "t": RNG.uniform(1, 5, N),
    "g": np.arange(N) % 5,
    "f": np.array(list("abcd") * 10),
    "b": np.arange(N) % 2 == 0,
    "id": 2**60 + np.arange(N) % 4,
    "huge": [2**80 + k % 4 for k in range(N)],
    "day": [dt.date(2020, 1, 1 + k % 28) for k in range(N)],
    "o": pd.Categorical(list("lmhm") * 10, ["l", "m", "h"], ordered=True),
    "x.y": RNG.normal(size=N),
    "class": RNG.normal(size=N),
    "lists": [[1]] * N,
    "np": RNG.normal(size=N),
}
COLUMNS = st.sampled_from([*DATA, *(f"`{name}`" for name in DATA)])
CALLS = (
    "log({}) np.log({}) C({}) scale({}) center({}) poly({},2) bs({},df=4) I({}) np.mean({})",
    "own({}) np.where({},1,0) ifelse({},1,0) np.isin({},[1]) hashed({},3) cr({},df=3)",
    "fulldummy({}) np.round({}) np.max({}) {}.mean() {}.T {}[0] offset({}) zerocorr({})",
    "({}) -{} ~{} np.add({},1)",
)
EXPRESSIONS = st.recursive(
    st.one_of(COLUMNS, st.sampled_from(["1", "2.5", "'a'", "True", "None", "[1,2]", "pi", "TRUE"])),
    lambda inner: st.one_of(
        st.builds(str.format, st.sampled_from(" ".join(CALLS).split()), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/%<|&"), inner),
        st.builds("np.maximum({}, {})".format, inner, inner),
    ),
    max_leaves=4,
)
EFFECTS = st.recursive(
    EXPRESSIONS,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*:/|>^"), inner),
    max_leaves=4,
)
PIECES = (
    "( ) x y ` ' \" | ~ + - * 1 . np.log I ^ # \\ é ² [ ] { } , = == ** lambda % @ : & g".split()
)
SOUP = st.lists(st.sampled_from([*PIECES, " ", "\n", "\u0301"]), max_size=20).map("".join)


def survives(formula):
    try:
        mf = model_frame(formula, DATA, context={"own": lambda v: v * 2})
    except NumbammError as error:
        assert 0 < len(str(error)) < 2_000
        return
    new = mf.new_rows({name: values[3:9] for name, values in DATA.items()})
    assert np.isfinite(mf.X).all()
    assert_allclose(new.X, mf.X[3:9], atol=1e-12)
    again = model_frame(mf.formula, DATA, context={"own": lambda v: v * 2})
    assert_allclose(again.X, mf.X)


@settings(deadline=None, max_examples=60)
@given(EFFECTS, st.sampled_from(["g", "f", "g:f", "f/g", "id", "huge", "o", "class", "lists"]))
def test_any_effects(effects, group):
    survives(f"y ~ {effects} + (1 | {group})")
    survives(f"y ~ 1 + (0 + {effects} | {group})")


@settings(deadline=None, max_examples=60)
@given(st.one_of(SOUP, st.text(max_size=12)))
@example("``1")
@example("`x`1 + x`y`")
def test_any_text(text):
    survives(text)
    survives(f"y ~ {text} + (1 | g)")
    survives(f"{text} ~ x + (1 | g)")
    survives(f"y ~ I({text}) + (1 | {text})")


@settings(deadline=None, max_examples=60)
@given(EXPRESSIONS)
def test_any_response(expression):
    survives(f"{expression} ~ x + (1 | g)")
