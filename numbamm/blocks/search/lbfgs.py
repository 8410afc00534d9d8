"""L-BFGS for many parameters, by reverse communication: the caller evaluates the objective.

The line search along each direction is a bisection that ends where the weak Wolfe conditions hold,
so that every update keeps the approximate Hessian positive definite.

Sources: Nocedal & Wright (2006), Numerical Optimization, chapter 7; Lewis & Overton (2013), Math.
Program. 141, 135-163, for the search along a line.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGER, INTEGERS, MATRIX, NUMBER, REALS, record
from numbamm.blocks.search.communication import (
    EVALUATE,
    FAILED,
    FBEST,
    LAST,
    PHASE,
    ROUNDOFF,
    START,
    conclude,
    initialise,
    step_or_end,
    tolerance,
)
from numbamm.blocks.vectors import copy, dot, scale

#: Number of steps that are remembered.
MEMORY = 20
#: Constants of the weak Wolfe conditions: sufficient decrease (Armijo), and curvature.
ARMIJO, CURVATURE = 1e-4, 0.9
#: A step that decreases the objective enough is taken without the second condition, if longer ones
#: by this share have no value: the objective ends there. So many in a row are a search at an edge.
CLOSE, MOST_AT_EDGE = 0.25, 3
# Positions in `State.numbers` after those of `communication`: along the direction the step, its
# bounds and the slope; the largest length of the first step; whether there is no value at the
# upper bound, whether the step is taken in any case, and how many such steps there were in a row.
STEP, LOW, HIGH, SLOPE, LONGEST, NO_VALUE, TAKEN, AT_EDGE = range(3, 11)
# Position in `State.counts` after PHASE: the number of steps since the last restart.
COUNT = 1
#: The phase besides START and LAST: a step along the direction.
_TRIAL = 2


class State(NamedTuple):
    """State of the search between calls.

    The caller fills g with the gradient at x with respect to the scaled parameters, ``scale * x``.
    All vectors other than x and best are in scaled parameters.
    """

    x: np.ndarray
    best: np.ndarray
    scale: np.ndarray
    g: np.ndarray
    gradient: np.ndarray
    direction: np.ndarray
    steps: np.ndarray
    changes: np.ndarray
    weights: np.ndarray
    numbers: np.ndarray
    counts: np.ndarray


STATE = record(
    State,
    **dict.fromkeys(State._fields, REALS)
    | dict.fromkeys(("steps", "changes", "weights"), MATRIX)
    | {"counts": INTEGERS},
)


def minimize(value_and_gradient, x, scale, ftol_abs, ftol_rel, longest=np.inf):
    """Minimise a Python function.

    Parameters
    ----------
    value_and_gradient : callable
        Returns the value at x, NaN where it does not exist, and the gradient.
    x, scale : ndarray, shape (n,)
        The start; and scales such that curvatures in ``scale * x`` are of order one.
    ftol_abs, ftol_rel : float
        The search ends when the predicted decrease is at most this, absolutely or relative to the
        value.
    longest : float
        Largest length of the first step, in scaled parameters.

    Returns
    -------
    ndarray, shape (n,)
        The best point.
    int
        CONVERGED, ROUNDOFF or FAILED.
    """
    state, action = allocate(len(x)), EVALUATE
    state.x[:], state.scale[:] = x, scale
    begin(state, float(ftol_abs), float(ftol_rel), float(longest))
    while action == EVALUATE:
        value, gradient = value_and_gradient(state.x)
        state.g[:] = gradient / scale
        action = advance(state, value)
    return state.best, action


def allocate(n: int) -> State:
    """Allocate the state of a search in n parameters."""
    return State(
        *np.empty((6, n)),
        *np.empty((2, MEMORY, n)),
        np.empty((2, MEMORY)),
        np.empty(11),
        np.empty(2, dtype=np.int64),
    )


@jit(takes=(STATE, *3 * (NUMBER,)))
def begin(s, ftol_abs, ftol_rel, longest):
    """Begin a search at ``s.x`` with the scales ``s.scale``.

    The first step is -g, shortened to the length `longest`.
    """
    initialise(s, ftol_abs, ftol_rel)
    s.numbers[LONGEST] = longest


@jit(entry=False)
def restart(s):
    """Restart at x with an empty memory."""
    s.counts[PHASE], s.counts[COUNT] = START, 0


@jit(takes=(STATE, NUMBER), gives=INTEGER)
def advance(s, f):
    """As `trust.advance`, but with the gradient at x in ``s.g`` whenever a value is given."""
    numbers, counts = s.numbers, s.counts
    if counts[PHASE] == START:
        if not np.isfinite(f):
            return FAILED
        return _new_direction(s, f)
    if counts[PHASE] == LAST:
        return conclude(s, f)
    t = numbers[STEP]
    slope = 0.0
    for i in range(len(s.x)):
        slope += s.direction[i] * s.g[i]
    if not f <= numbers[FBEST] + ARMIJO * t * numbers[SLOPE]:
        numbers[HIGH], numbers[NO_VALUE] = t, 0.0 if np.isfinite(f) else 1.0
    elif slope < CURVATURE * numbers[SLOPE] and not numbers[TAKEN] > 0.0:
        numbers[LOW] = t
    else:
        if numbers[TAKEN] > 0.0:
            numbers[AT_EDGE] += 1.0
            if numbers[AT_EDGE] >= MOST_AT_EDGE or not numbers[FBEST] - f > tolerance(s):
                copy(s.x, s.best)
                return ROUNDOFF
        else:
            numbers[AT_EDGE] = 0.0
        if slope > numbers[SLOPE]:  # the objective curves upwards
            _remember(s)
        return _new_direction(s, f)
    low, high = numbers[LOW], numbers[HIGH]
    if numbers[NO_VALUE] > 0.0 and high - low <= CLOSE * low:
        numbers[STEP], numbers[TAKEN] = low, 1.0
        return _move(s)
    if high < np.inf and high - low <= 1e-10 * high:
        copy(s.best, s.x)
        if counts[COUNT] == 0:
            return ROUNDOFF
        counts[COUNT] = 0  # try steepest descent: the memory may have misled
        copy(s.gradient, s.g)
        return _new_direction(s, numbers[FBEST])
    numbers[STEP] = 0.5 * (low + high) if high < np.inf else 2.0 * low
    return _move(s)


@jit
def _move(s):
    for i in range(len(s.x)):
        s.x[i] = s.best[i] + s.numbers[STEP] * s.direction[i] / s.scale[i]
    return EVALUATE


@jit
def _remember(s):
    """Store the step just taken and the change of the gradient."""
    at = s.counts[COUNT] % MEMORY
    inner = 0.0
    for i in range(len(s.x)):
        s.steps[at, i] = s.numbers[STEP] * s.direction[i]
        s.changes[at, i] = s.g[i] - s.gradient[i]
        inner += s.steps[at, i] * s.changes[at, i]
    s.weights[0, at] = 1.0 / inner
    s.counts[COUNT] += 1


@jit
def _new_direction(s, f):
    """Accept x as the best point; the next direction is -H⁻¹g, by the two-loop recursion."""
    numbers, d = s.numbers, s.direction
    copy(s.x, s.best)
    norm = 0.0
    for i in range(len(s.x)):
        s.gradient[i] = s.g[i]
        d[i] = -s.gradient[i]
        norm += d[i] * d[i]
    norm = math.sqrt(norm)
    count = s.counts[COUNT]
    oldest = max(0, count - MEMORY)
    for k in range(count - 1, oldest - 1, -1):
        at = k % MEMORY
        s.weights[1, at] = s.weights[0, at] * dot(s.steps[at], d)
        for i in range(len(d)):
            d[i] -= s.weights[1, at] * s.changes[at, i]
    if count > 0:
        at = (count - 1) % MEMORY
        scale(d, 1.0 / (s.weights[0, at] * dot(s.changes[at], s.changes[at])))
    else:
        scale(d, min(1.0, numbers[LONGEST] / norm) if norm > 0.0 else 1.0)
    for k in range(oldest, count):
        at = k % MEMORY
        back = s.weights[0, at] * dot(s.changes[at], d)
        for i in range(len(d)):
            d[i] += (s.weights[1, at] - back) * s.steps[at, i]
    numbers[FBEST], numbers[SLOPE] = f, dot(d, s.gradient)
    numbers[LOW], numbers[HIGH], numbers[STEP] = 0.0, np.inf, 1.0
    numbers[NO_VALUE] = numbers[TAKEN] = 0.0
    action = step_or_end(s, -0.5 * numbers[SLOPE], _TRIAL)
    return _move(s) if action == EVALUATE else action
