"""Levels that are found chunk by chunk are those of the joined chunks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbamm as mm
from numbamm.formula.levels import level_codes
from numbamm.sources.found_levels import FoundLevels

PARTS = st.lists(st.lists(st.sampled_from([*"dcbae", "odd:name", ""]), min_size=1), min_size=1)


@given(PARTS)
def test_text(parts):
    levels = FoundLevels("f")
    numbers = [levels.add(pd.Series(part)) for part in parts]
    whole = pd.Series([value for part in parts for value in part])
    codes, index = level_codes(whole)
    assert levels.index().tolist() == index.tolist()
    column = levels.column(np.concatenate(numbers))
    assert column.tolist() == whole.tolist()
    assert level_codes(column)[0].tolist() == codes.tolist()


@given(PARTS)
def test_merged(parts):
    total, one = FoundLevels("f"), FoundLevels("f")
    for part in parts:
        one.add(pd.Series(part))
        other = FoundLevels("f")
        other.add(pd.Series(part))
        places = total.merge(other)
        assert total.column(places).tolist() == list(dict.fromkeys(part))
    assert total.index().equals(one.index())


def test_an_order_that_all_chunks_share_is_kept():
    levels, kind = FoundLevels("f"), pd.CategoricalDtype(["lo", "hi", "never"])
    levels.add(pd.Series(["hi"], dtype=kind))
    levels.add(pd.Series(["lo", "hi"], dtype=kind))
    assert levels.index().tolist() == ["lo", "hi"]
    levels.add(pd.Series(["lo"], dtype="category"))
    assert levels.index().tolist() == ["hi", "lo"]


def test_integers_and_floats_are_numbers():
    levels = FoundLevels("f")
    levels.add(pd.Series([2, 1]))
    levels.add(pd.Series([1.5, 1.0]))
    assert levels.index().tolist() == [1.0, 1.5, 2.0] and len(levels) == 3
    with pytest.raises(mm.DataError, match="numbers in some chunks and text in others"):
        levels.add(pd.Series(["a"]))
    with pytest.raises(mm.DataError, match=r"beyond 2\*\*53"):
        levels.add(pd.Series([2**60]))
