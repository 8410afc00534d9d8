"""`Outcome`: where one of several searches ended; and which of them is the best."""

from __future__ import annotations

from typing import NamedTuple

from numbamm.models.fitting.ending import RIVAL, Ending
from numbamm.optimize.run import RESTART_GAIN


class Outcome(NamedTuple):
    """One of several searches.

    Attributes
    ----------
    end : Ending
    objective : float
    counts : bool
        Whether it is a minimum, and the approximation of the likelihood holds there.
    attributes : dict
        The attributes of the model afterwards.
    """

    end: Ending
    objective: float
    counts: bool
    attributes: dict


def best_of(ends: list[Outcome]) -> Outcome:
    """The lowest end, of those that count if there are any; the first, if others gain nothing."""
    best = ends[0]
    for other in ends[1:]:
        gain = RESTART_GAIN if other.counts == best.counts else 0.0
        if (not other.counts, other.objective + gain) < (not best.counts, best.objective):
            best = other
    return best


def compared(best: Outcome, ends: list[Outcome], least: float = RIVAL[0]) -> Ending:
    """The best end, and what others say about it: lower ones, and rivals that are little higher.

    Those are higher by `least`, at least.
    """
    lower = best.objective - min(other.objective for other in ends)
    higher = {
        round((other.objective - best.objective) / RIVAL[0]) for other in ends if other.counts
    }
    rivals = sum(least <= steps * RIVAL[0] <= RIVAL[1] for steps in higher)
    return best.end._replace(lower=lower if lower > RESTART_GAIN else 0.0, rivals=rivals)
