"""A few rows show every pair of levels that occurs."""

import pickle
from itertools import combinations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from numbamm.sources.cover import Cover

GROUPINGS = [("a",), ("b",), ("a", "c"), ("c", "b", "a")]
ROW = st.tuples(*[st.integers(0, 4)] * 3)


def found(frame):
    """The levels of every grouping factor, and the pairs of two of them."""
    keys = [list(zip(*(frame[name] for name in g), strict=True)) for g in GROUPINGS]
    return [set(k) for k in keys] + [set(zip(k, m, strict=True)) for k, m in combinations(keys, 2)]


@given(st.lists(st.lists(ROW, min_size=1), min_size=1, max_size=4))
def test_all_pairs_of_levels_are_covered(parts):
    frames = [pd.DataFrame(part, columns=list("abc")) for part in parts]
    whole = pd.concat(frames)
    one, merged = Cover(GROUPINGS), Cover(GROUPINGS)
    for frame in frames:
        columns = {name: frame[name] for name in frame}
        one.add(columns)
        other = Cover(GROUPINGS)
        other.add(columns)
        merged.merge(pickle.loads(pickle.dumps(other)))
    for cover in (one, merged):
        assert found(cover.frame()) == found(whole)
        pairs = sum(map(len, found(whole)))
        assert cover.rows().shape[1] <= min(len(whole), pairs)


def test_levels_that_come_again_take_no_rows():
    cover = Cover([("a",)])
    for _ in range(3):
        cover.add({"a": pd.Series(np.arange(5))})
    assert cover.rows().shape == (1, 5)
