"""L-BFGS, told values and gradients, that says where it wants the next: for many parameters.

A search along each direction ends where the objective has fallen and its slope has risen enough
(weak Wolfe conditions, by bisection), so that every update keeps the matrix positive definite.

Sources: Nocedal & Wright (2006), Numerical Optimization, chapter 7; Lewis & Overton (2013), Math.
Program. 141, 135-163, for the search along a line.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGER, MATRIX, NUMBER, REALS, record
from numbamm.blocks.search.trust import (
    CONVERGED,
    EVALUATE,
    FAILED,
    FBEST,
    FTOL_ABS,
    FTOL_REL,
    PHASE,
    ROUNDOFF,
    WORTHWHILE,
    conclude,
)
from numbamm.blocks.vectors import copy, dot, scale

#: How many past steps shape a direction.
MEMORY = 20
#: The fall that is enough, of what the slope promises; and the slope that has risen enough.
ENOUGH, RISEN = 1e-4, 0.9
# Positions in `State.numbers`, besides those of `trust`.
STEP, LOW, HIGH, SLOPE, COUNT, LONGEST = 2, 3, 4, 7, 8, 9
_START, _TRIAL, _LAST = 0.0, 1.0, 2.0


class State(NamedTuple):
    """All that the search keeps between calls.

    g, filled in by the caller, is the gradient at x in scaled parameters, ``scale * x``; so are all
    vectors but x and best.
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


STATE = record(
    State,
    **dict.fromkeys(State._fields, REALS) | dict.fromkeys(("steps", "changes", "weights"), MATRIX),
)


def minimize(value_and_gradient, x, scale, ftol_abs, ftol_rel, longest=np.inf):
    """Minimise a function of Python.

    Parameters
    ----------
    value_and_gradient : callable
        x to the value, NaN where there is none, and the gradient.
    x, scale : ndarray, shape (n,)
        Where to start; and what makes curvatures about one, in ``scale * x``.
    ftol_abs, ftol_rel : float
        The search ends when the value promises to fall by no more.
    longest : float
        Length of the first step at most, in scaled parameters.

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
    """Room for a search in n parameters."""
    return State(*np.empty((6, n)), *np.empty((2, MEMORY, n)), np.empty((2, MEMORY)), np.empty(10))


@jit(takes=(STATE, *3 * (NUMBER,)))
def begin(s, ftol_abs, ftol_rel, longest):
    """Begin a search at ``s.x``, with the ``s.scale`` that stands there.

    Its first step is -g, but no longer than `longest`.
    """
    s.numbers[:] = 0.0
    s.numbers[FTOL_ABS], s.numbers[FTOL_REL], s.numbers[LONGEST] = ftol_abs, ftol_rel, longest
    copy(s.x, s.best)


@jit(entry=False)
def restart(s):
    """Go on from x, wherever that is, with nothing remembered."""
    s.numbers[PHASE], s.numbers[COUNT] = _START, 0.0


@jit(takes=(STATE, NUMBER), gives=INTEGER)
def advance(s, f):
    """Take value and gradient at x.

    Parameters
    ----------
    s : State
    f : float64
        The objective at ``s.x``, NaN where it does not exist.

    Returns
    -------
    int
        EVALUATE, value and gradient, at the new ``s.x``; or an end, with ``s.x = s.best``.
    """
    numbers = s.numbers
    if numbers[PHASE] == _START:
        if not np.isfinite(f):
            return FAILED
        return _new_direction(s, f)
    if numbers[PHASE] == _LAST:
        return conclude(s.x, s.best, numbers, f)
    t = numbers[STEP]
    slope = 0.0
    for i in range(len(s.x)):
        slope += s.direction[i] * s.g[i]
    if not f <= numbers[FBEST] + ENOUGH * t * numbers[SLOPE]:
        numbers[HIGH] = t
    elif slope < RISEN * numbers[SLOPE]:
        numbers[LOW] = t
    else:
        _remember(s)
        return _new_direction(s, f)
    low, high = numbers[LOW], numbers[HIGH]
    if high < np.inf and high - low <= 1e-10 * high:
        copy(s.best, s.x)
        if numbers[COUNT] == 0.0:
            return ROUNDOFF
        numbers[COUNT] = 0.0  # perhaps the memory misleads
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
    """The step just taken, and how the gradient changed."""
    at = int(s.numbers[COUNT]) % MEMORY
    inner = 0.0
    for i in range(len(s.x)):
        s.steps[at, i] = s.numbers[STEP] * s.direction[i]
        s.changes[at, i] = s.g[i] - s.gradient[i]
        inner += s.steps[at, i] * s.changes[at, i]
    s.weights[0, at] = 1.0 / inner
    s.numbers[COUNT] += 1.0


@jit
def _new_direction(s, f):
    """-H g at x, which becomes the best point, by the two loops over what is remembered."""
    numbers, d = s.numbers, s.direction
    copy(s.x, s.best)
    norm = 0.0
    for i in range(len(s.x)):
        s.gradient[i] = s.g[i]
        d[i] = -s.gradient[i]
        norm += d[i] * d[i]
    norm = math.sqrt(norm)
    count = int(numbers[COUNT])
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
    numbers[LOW], numbers[HIGH], numbers[STEP], numbers[PHASE] = 0.0, np.inf, 1.0, _TRIAL
    promised, tolerance = -0.5 * numbers[SLOPE], max(numbers[FTOL_ABS], numbers[FTOL_REL] * abs(f))
    if not promised > tolerance:
        if not promised > WORTHWHILE * tolerance:
            return CONVERGED
        numbers[PHASE] = _LAST
    return _move(s)
