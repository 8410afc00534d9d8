"""The values of an effect for a row do not depend on the other rows, but for what is remembered."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import FormulaError
from numbamm.formula import model_frame

RNG = np.random.default_rng(3)
N = 90
G = np.arange(N) % 9
X = RNG.normal(5, 1, N)
DATA = pd.DataFrame(
    {
        "y": 1 + X + RNG.normal(size=9)[G] + RNG.normal(size=N),
        "x": X,
        "k": RNG.integers(0, 3, N),
        "b": np.arange(N) % 2,
        "g": G,
    }
)
STATISTICS = ["mean", "median", "max", "min", "std", "var", "sum", "ptp", "nanmean", "amax"]


@pytest.mark.parametrize(
    "expression",
    [
        *(f"I(x - np.{name}(x))" for name in STATISTICS),
        "I(x / np.quantile(x, 0.9))",
        "I((x - np.mean(x)) / np.std(x, ddof=1))",
        "I(x * np.mean(x > 5))",
        "scale(x)",
    ],
)
def test_statistics_are_those_of_the_fit(expression):
    plain = mm.lmm("y ~ x + (1 | g)", DATA)
    m = mm.lmm(f"y ~ {expression} + (1 | g)", DATA)
    assert_allclose(m.objective, plain.objective)
    assert_allclose(m.predict(DATA[:5]), m.fittedvalues[:5])
    assert_allclose(m.predict(DATA[7:8]), m.fittedvalues[7:8])
    at = {"x": [4.0, 6.0]}
    means, reference = m.emmeans("x", at=at).to_frame(), plain.emmeans("x", at=at).to_frame()
    assert_allclose(means["mean"], reference["mean"], atol=1e-6)


def test_statistics_left_of_a_bar_in_offsets_and_as_knots():
    formula = (
        "y ~ bs(x, knots=np.percentile(x, [25, 75])) + C(x > np.median(x)) "
        "+ offset(x - np.max(x)) + (0 + I(x - np.min(x)) | g)"
    )
    mf = model_frame(formula, DATA)
    rows = [70, 3, 12]
    new = mf.new_rows(DATA.iloc[rows])
    assert_allclose(new.X, mf.X[rows])
    assert_allclose(new.offset, DATA.x.iloc[rows] - DATA.x.max())
    assert_allclose(new.terms[0].z, mf.reterms[0].z[:, rows])


DEPENDENT = {
    "centred": lambda v: v - v.mean(),
    "relative": lambda v: v / v.max(),
    "from_least": lambda v: v - v.min(),
    "from_first": lambda v: v - v.iloc[0],
    "from_last": lambda v: v - v.iloc[-1],
    "ranked": lambda v: v.rank(),
    "summed": lambda v: np.cumsum(v),
    "before": lambda v: v.shift(1).fillna(0.0),
    "difference": lambda v: np.gradient(v),
    "backwards": lambda v: v.to_numpy()[::-1],
    "smooth": lambda v: v.rolling(3, min_periods=1).mean(),
    "thirds": lambda v: pd.qcut(v, 3).astype(str),
    "halves": lambda v: pd.cut(v, 2, labels=["low", "high"]),
    "above": lambda v: v > v.mean(),
    "count": lambda v: np.full(len(v), float(len(v))),
    "average": lambda v: np.full(len(v), v.mean()),
    "noise": lambda v: v + np.random.default_rng().normal(size=len(v)),
    "both": lambda v: np.column_stack([v, v - v.mean()]),
}


@pytest.mark.parametrize("name", DEPENDENT)
@pytest.mark.parametrize("column", ["x", "k", "b"])
def test_functions_of_the_callers_that_look_at_other_rows(name, column):
    if (name, column) in (("thirds", "b"), ("thirds", "k")):
        return  # pandas finds no three quantiles
    for part in (f"{name}({column})", f"1 + (0 + {name}({column}) | g)"):
        with warnings.catch_warnings(), pytest.raises(FormulaError) as caught:
            warnings.simplefilter("ignore", RuntimeWarning)
            model_frame(f"y ~ {part} + (1 | g)", DATA, context=DEPENDENT)
        assert f"'{name}({column})' has another value" in str(caught.value)
        assert "center(x)" in str(caught.value)


def test_they_are_refused_within_calls_and_in_offsets():
    for part in ("I(centred(x) * 2)", "scale(centred(x))", "offset(centred(x))", "C(above(x))"):
        with pytest.raises(FormulaError, match="has another value"):
            model_frame(f"y ~ {part} + (1 | g)", DATA, context=DEPENDENT)
    model_frame("centred(y) ~ x + (1 | g)", DATA, context=DEPENDENT)  # new data have no response


def test_a_function_of_the_callers_in_the_place_of_a_transform():
    message = "'scale' is your own function here, not the formula's"
    with pytest.raises(FormulaError, match=message):
        model_frame("y ~ scale(x) + (1 | g)", DATA, context={"scale": DEPENDENT["centred"]})


def test_values_of_the_callers_with_an_entry_a_row():
    z = RNG.normal(size=N)
    with pytest.raises(FormulaError, match=r"'I\(x \* z\)' has another value"):
        model_frame("y ~ I(x * z) + (1 | g)", DATA, context={"z": z})
    for listed in (f"I(x * np.array({list(range(N))}))", f"np.maximum(x, {list(range(N))})"):
        with pytest.raises(FormulaError, match="has another value|arithmetic is for numbers"):
            model_frame(f"y ~ {listed} + (1 | g)", DATA)
    knots = np.array([4.0, 5.0])
    mf = model_frame("y ~ bs(x, knots=knots) + (1 | g)", DATA, context={"knots": knots})
    assert_allclose(mf.new_rows(DATA[5:6]).X, mf.X[5:6])


@pytest.mark.parametrize(
    "expression", ["np.isin(k, b)", "np.interp(x, x, k)", "np.digitize(x, [1, k])"]
)
def test_columns_to_be_looked_up_in(expression):
    with pytest.raises(FormulaError, match="would use all rows of this argument"):
        model_frame(f"y ~ {expression} + (1 | g)", DATA)
    mf = model_frame("y ~ np.digitize(x, [np.mean(x)]) + (1 | g)", DATA)
    assert_allclose(mf.new_rows(DATA[5:6]).X, mf.X[5:6])


def test_functions_row_by_row_are_called_once_more_at_a_few_rows_only():
    rows = []

    def double(v):
        rows.append(len(v))
        return 2 * v

    mf = model_frame(
        "y ~ double(x) + poly(double(k), 2) + (1 | g)", DATA, context={"double": double}
    )
    assert_allclose(mf.X[:, 1], 2 * DATA.x)
    assert rows.count(N) == 2
    assert sum(rows) < 2 * N + 25
    rows.clear()
    model_frame("y ~ np.log(x) + I(x**2) + log(x) + center(k) + (1 | g)", DATA)
    assert not rows


ATOMS = st.sampled_from(["x", "k", "b", "np.mean(x)", "2", "np.max(k)", "center(x)"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
        st.builds("np.maximum({}, {})".format, inner, inner),
        st.builds("ifelse({} > {}, {}, 1.5)".format, inner, inner, inner),
        st.builds("np.exp(-abs({}))".format, inner),
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=60)
@given(EXPRESSIONS, st.lists(st.integers(0, N - 1), min_size=1, max_size=4))
def test_any_rows_of_the_fit_have_their_values_of_the_fit(expression, rows):
    mf = model_frame(f"y ~ I(x + {expression}) + (1 | g)", DATA)
    assert_allclose(mf.new_rows(DATA.iloc[rows]).X, mf.X[rows], atol=1e-12)
