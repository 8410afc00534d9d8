"""Valleys: the lowest points of a lattice of scales."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbamm.optimize.valleys import SCALES, valleys


def test_valleys_of_two_wells():
    wells = [(0.5, 8.0), (8.0, 0.0)]

    def f(scales):
        at = np.log1p(np.array(scales))
        return min(((at - np.log1p(np.array(well))) ** 2).sum() + k for k, well in enumerate(wells))

    found = valleys(f, 2)
    assert len(found) == 2 and f(found[0]) <= f(found[1])
    for scales, well in zip(found, wells, strict=True):
        assert scales == pytest.approx(well, rel=0.5, abs=0.1)


@given(st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_valleys_are_lower_than_their_neighbours(n, seed):
    known = {}

    def f(scales):
        key = tuple(scales)
        return known.setdefault(key, float(np.random.default_rng([seed, len(known)]).normal()))

    for scales in valleys(f, n):
        if not set(scales) <= set(SCALES):
            continue  # moved off the lattice
        for d in range(n):
            i = SCALES.index(scales[d])
            for j in {max(i - 1, 0), min(i + 1, len(SCALES) - 1)}:
                beside = [*scales[:d], SCALES[j], *scales[d + 1 :]]
                assert known[tuple(scales)] <= known[tuple(beside)]


def test_where_nothing_can_be_evaluated_there_is_no_valley():
    assert valleys(lambda scales: np.nan, 2) == []
