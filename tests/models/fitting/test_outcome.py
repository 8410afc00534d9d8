"""Which of several searches is the best, and what the others say about it."""

from numbamm.models.fitting.ending import Ending
from numbamm.models.fitting.outcome import Outcome, best_of, compared

MINIMUM, NONE = Ending(True, False), Ending(False, False)


def outcome(objective, counts=True):
    return Outcome(MINIMUM if counts else NONE, objective, counts, {})


def test_the_lowest_minimum_is_the_best():
    ends = [outcome(5.0), outcome(3.0), outcome(4.0)]
    assert best_of(ends) is ends[1]


def test_the_first_end_stays_where_others_gain_nothing():
    ends = [outcome(3.0), outcome(3.0 - 1e-9)]
    assert best_of(ends) is ends[0]


def test_what_is_no_minimum_counts_only_where_there_is_none():
    high, low, lowest = outcome(5.0), outcome(3.0, counts=False), outcome(2.0, counts=False)
    assert best_of([low, high, lowest]) is high
    assert best_of([low, lowest]) is lowest


def test_lower_ends_that_are_no_minima_are_told():
    ends = [outcome(5.0), outcome(3.0, counts=False)]
    assert compared(ends[0], ends).lower == 2.0
    assert compared(ends[0], [ends[0], outcome(5.0 - 1e-9, counts=False)]).lower == 0.0


def test_rivals_are_other_minima_that_are_little_higher():
    best = outcome(5.0)
    same, near, again, far = outcome(5.0 + 1e-6), outcome(6.0), outcome(6.0 + 1e-6), outcome(50.0)
    assert compared(best, [best, same, near, again, far]).rivals == 1
    assert compared(best, [best, outcome(6.0, counts=False)]).rivals == 0
