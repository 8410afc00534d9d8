"""Random small designs of every family and part end at the best of random starts, or say so.

The cases are those of `random_families`: from their seeds alone.
"""

import pytest
from random_families import KINDS, case, outcome

#: The seed with which the study begins.
FIRST = 2000


def wrong(seeds, starts):
    """Fits that end above others in silence, or hold numbers that are none."""
    ends = [outcome(case(seed), starts) for seed in seeds]
    kinds = [end.kind for end in ends]
    assert sum(kind in ("refused", "failed") for kind in kinds) <= 0.2 * len(kinds)
    return [str(end) for end in ends if end.kind in ("missed", "nan")]


def test_a_dozen_designs_end_at_the_best_of_random_starts():
    some = [FIRST + k - FIRST % len(KINDS) for k in (0, 1, 3, 4, 7, 8, 9, 11, 16, 17, 18, 20)]
    assert wrong(some, 1) == []


@pytest.mark.parametrize("seed", [2453, 2535, 2571, 3201])
def test_flat_directions_hide_no_lower_end_from_many_rows(seed):
    """Searches that begin, or end, where the objective is flat stay there by their gradients."""
    assert outcome(case(seed), 4).excess < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FIRST, FIRST + 1000, 100))
def test_a_thousand_designs_end_at_the_best_of_ten_starts(first):
    assert wrong(range(first, first + 100), 10) == []
