"""Our way through formulaic's evaluation, against formulaic's own."""

import numpy as np
import pandas as pd
from formulaic import Formula
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from numbamm.formula.contrasts import Coding
from numbamm.formula.functions import FUNCTIONS
from numbamm.formula.materializer import Materializer

N = 24
_rng = np.random.default_rng(5)
COLUMNS = {
    "x": pd.Series(_rng.normal(size=N)),
    "t": pd.Series(_rng.integers(1, 9, size=N).astype(float)),
    "f": pd.Series(pd.Categorical(list("abc") * 8)),
    "o": pd.Series(pd.Categorical(list("lmhm") * 6, ["l", "m", "h"], ordered=True)),
    "b": pd.Series([True, False] * 12),
}
EFFECTS = ["0", *COLUMNS, "x:t", "f:x", "f:o", "x * f", "poly(x, 2)", "center(t)", "I(t > 4)"]
SUMS = st.lists(st.sampled_from(EFFECTS), min_size=1, max_size=4, unique=True).map(" + ".join)


def materializer():
    return Materializer(COLUMNS, np.arange(N), FUNCTIONS, Coding())


@given(sums=st.lists(SUMS, min_size=1, max_size=3))
@settings(deadline=None)
def test_matrices_and_what_is_known_of_them_are_formulaics(sums):
    formulas = {f"part{i}": Formula(effects) for i, effects in enumerate(sums)}
    ours = materializer().matrices(formulas)
    theirs = materializer().get_model_matrix(
        Formula(**formulas), output="numpy", na_action="ignore"
    )
    for key in formulas:
        assert_array_equal(ours[key].__wrapped__, theirs[key].__wrapped__)
        mine, own = ours[key].model_spec, theirs[key].model_spec
        assert mine.column_names == own.column_names
        assert mine.term_slices == own.term_slices
        assert mine.transform_state == own.transform_state
    again = materializer().matrices({key: matrix.model_spec for key, matrix in ours.items()})
    for key in formulas:
        assert_array_equal(again[key].__wrapped__, ours[key].__wrapped__)


def test_the_same_effects_are_evaluated_once():
    formulas = {"a": Formula("1 + x"), "b": Formula("x"), "c": Formula("0 + x")}
    a, b, c = materializer().matrices(formulas).values()
    assert a is b and a is not c
