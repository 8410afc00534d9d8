"""Levels that occur, and missing values, by codes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from numbamm.formula.levels import is_missing, without_unused

LEVELS = [f"level {i:03d}" for i in range(300)][::-1]


@given(
    codes=st.lists(st.integers(-1, 5), max_size=12),
    nlevels=st.sampled_from([6, 127, 128, 300]),
)
def test_levels_that_do_not_occur_are_dropped_as_by_pandas(codes, nlevels):
    values = pd.Categorical.from_codes(codes, LEVELS[:nlevels], ordered=nlevels > 6)
    expected = values.remove_unused_categories()
    found = without_unused(values)
    assert found.dtype == expected.dtype
    assert_array_equal(found.codes, expected.codes)
    assert_array_equal(is_missing(pd.Series(values)), pd.isna(values))


def test_nothing_is_made_where_all_levels_occur():
    values = pd.Categorical(["b", None, "a"])
    assert without_unused(values) is values


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1.0, np.nan]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series(["a", None], dtype=object),
        pd.Series([True, False]),
        pd.Categorical(["a", None]),
        np.array([np.nan, 2.0]),
        pd.Series(pd.to_datetime(["2020-01-01", None])),
    ],
)
def test_missing_values_of_any_kind(values):
    assert_array_equal(is_missing(values), pd.isna(values))
