"""The end of a search over λ, and escapes from false optima: stationary points that are no minima.

If a search ends at a singular λ with a negative certificate, it restarts from a point along the
escape direction, where the objective is lower.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.normal import complete_normal
from numbamm.blocks.search.certificate import ESCAPE_BELOW, add_direction, certify, is_singular
from numbamm.blocks.search.communication import FAILED, FBEST, tolerance
from numbamm.blocks.search.evaluation import (
    CERTIFICATE,
    CODE,
    DISTANCE,
    END,
    ESCAPED,
    NORM,
    differentiate,
    gradient_norm,
    objective,
    value,
)
from numbamm.blocks.search.rotations import fold, unfold
from numbamm.blocks.vectors import copy

#: Escapes from false optima are at most this many. An escape starts at the largest distance along
#: the escape direction and is given up below the smallest, in columns with root mean square 1.
ESCAPES, LARGEST_DISTANCE, SMALLEST_DISTANCE = 10, 0.3, 1e-3


@jit(entry=False)
def end_or_escape(action, f, fresh, state, search, model):
    """End a search, or begin an escape if the certificate is negative.

    f is the value evaluated last. If it is the best, the factor in the buffers is that of the best
    point, and so are the derivatives if `fresh` is true. On return the factor is that of the best
    point in any case. Derivatives are computed only for a singular λ.
    """
    counts, outcome = search.counts, search.outcome
    if action == FAILED:
        counts[CODE] = FAILED
        return
    if f != state.numbers[FBEST]:
        fold(state.best, search.entries, search.theta)
        objective(search.theta, model)
        fresh = False
    singular = is_singular(model.table, model.work, search.theta_index, search.scale)
    if singular and not fresh:
        value(search.theta, model)
        differentiate(state, search, model)
    outcome[NORM] = gradient_norm(search, model) if singular or fresh else np.nan
    outcome[CERTIFICATE] = np.inf
    if singular:
        complete_normal(model.table, model.work, model.adjoint)
        outcome[CERTIFICATE] = certify(
            model.table,
            model.work,
            model.adjoint,
            search.theta_index,
            search.scale,
            False,
            search.direction,
        )
    if outcome[CERTIFICATE] < ESCAPE_BELOW and counts[ESCAPED] < ESCAPES:
        counts[END], outcome[DISTANCE] = action, LARGEST_DISTANCE
        escape_start(state, search)
    else:
        counts[CODE] = action


@jit(entry=False)
def escape_start(state, search):
    """Move x from the best point, a false optimum, along the escape direction."""
    fold(state.best, search.entries, search.theta)
    add_direction(search.theta, search.direction, search.outcome[DISTANCE], search.theta_index)
    unfold(search.theta, search.entries, state.x)


@jit(entry=False)
def has_escaped(f, state, search):
    """Whether f is lower than at the false optimum; if not, the distance from it is reduced.

    If no distance gives a lower objective, the search ends at the false optimum.
    """
    counts, outcome = search.counts, search.outcome
    if f < state.numbers[FBEST] - tolerance(state):
        outcome[DISTANCE] = 0.0
        counts[ESCAPED] += 1
        outcome[NORM] = np.nan
        return True
    outcome[DISTANCE] *= 0.25
    if outcome[DISTANCE] < SMALLEST_DISTANCE:
        copy(state.best, state.x)
        counts[CODE] = counts[END]
    else:
        escape_start(state, search)
    return False
