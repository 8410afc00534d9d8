"""Batches of fits: all fits once, whatever their number, and few of them where there are few."""

from hypothesis import given
from hypothesis import strategies as st

from numbamm.inference.many.batches import BATCHES, LARGEST_BATCH, batches_of


@given(st.integers(0, 100_000), st.integers(1, 500))
def test_batches_hold_every_fit_once(n, most):
    parts = batches_of(n, most)
    assert [i for part in parts for i in part] == list(range(n))
    assert all(0 < len(part) <= most for part in parts)
    assert len(parts) >= min(n, BATCHES) // 2


def test_large_numbers_come_in_large_batches():
    assert len(batches_of(20_000)) == 20_000 // LARGEST_BATCH
