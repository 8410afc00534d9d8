"""What searches by reverse communication share: what they ask of the caller, and how they end.

Such a search has a state `s`: x, where the objective is asked for; `best`, the best point so far;
and the arrays `numbers` and `counts`, which begin with the positions below. The caller evaluates
the objective f at x, and calls ``advance(s, f)`` for what is needed next.
"""

from __future__ import annotations

from numbamm.blocks.jit import jit
from numbamm.blocks.vectors import copy

#: What `advance` returns: it needs the value at x, or g and H at x, or the search has ended, with
#: ``x = best``.
EVALUATE, DIFFERENTIATE, CONVERGED, ROUNDOFF, FAILED = range(5)
# First positions in `numbers`: the lowest objective, and the tolerances.
FBEST, FTOL_ABS, FTOL_REL = range(3)
#: First position in `counts`: the phase, which says what the next value is of.
PHASE = 0
#: Phases: the start, and the last step.
START, LAST = range(2)

#: A search ends with a step whose predicted decrease is below the tolerance. If it is above this
#: share of the tolerance, the step is still taken: for one evaluation, estimates along flat
#: directions gain digits.
WORTHWHILE = 1e-3


@jit(entry=False)
def initialise(s, ftol_abs, ftol_rel):
    """Let a search begin at ``s.x``."""
    s.numbers[:] = 0.0
    s.counts[:] = 0
    s.counts[PHASE] = START
    s.numbers[FTOL_ABS], s.numbers[FTOL_REL] = ftol_abs, ftol_rel
    copy(s.x, s.best)


@jit(entry=False)
def tolerance(s):
    """The predicted decrease of the objective that a further step needs."""
    return max(s.numbers[FTOL_ABS], s.numbers[FTOL_REL] * abs(s.numbers[FBEST]))


@jit(entry=False)
def step_or_end(s, predicted, trial):
    """Whether a step of this predicted decrease is taken, in the phase `trial` or as the last."""
    s.counts[PHASE] = trial
    if not predicted > tolerance(s):
        if not predicted > WORTHWHILE * tolerance(s):
            copy(s.best, s.x)
            return CONVERGED
        s.counts[PHASE] = LAST
    return EVALUATE


@jit(entry=False)
def conclude(s, f):
    """End after the last step, to x; if the objective is not lower there, x returns to the best."""
    if f < s.numbers[FBEST]:
        copy(s.x, s.best)
        s.numbers[FBEST] = f
    copy(s.best, s.x)
    return CONVERGED
