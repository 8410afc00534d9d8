"""Pairs of levels, sorted by counting, against numpy."""

import numpy as np
import pytest
from blocks.dense import structures
from hypothesis import given, settings
from hypothesis import strategies as st

from numbamm.blocks import layout
from numbamm.blocks.level_pairs import sort_pairs


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 8), st.integers(1, 9), st.integers(0, 1000))
def test_pairs(n, nfirst, nsecond, seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, nfirst, n).astype(np.int32)
    second = rng.integers(0, nsecond, n).astype(np.int32)
    blocks, place, spare = (np.empty(k * n, dtype=np.int32) for k in (2, 1, 2))
    count = sort_pairs(first, second, nfirst, nsecond, blocks, place, spare)
    pairs, inverse = np.unique(np.stack([first, second]), axis=1, return_inverse=True)
    np.testing.assert_array_equal(blocks[: 2 * count].reshape(-1, 2), pairs.T)
    np.testing.assert_array_equal(place, inverse.ravel())


@pytest.mark.parametrize("name", structures())
def test_layouts_are_the_same_by_counting(name, monkeypatch):
    terms = structures()[name]
    expected = layout.build_layout(terms, 2)
    monkeypatch.setattr(layout, "MANY", 0)
    found = layout.build_layout(terms, 2)
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_array_equal(found.places, expected.places)
    np.testing.assert_array_equal(found.table, expected.table)
