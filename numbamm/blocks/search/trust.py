"""A trust-region search that is told values and derivatives, and says what it needs next.

The model around the best point is f + g's + s'Hs/2 in scaled parameters. Its minimum in a ball is
found exactly, from the eigen-decomposition of H, which may be indefinite: at a saddle point the
step goes along the eigenvector of the smallest eigenvalue.

Sources: Moré & Sorensen (1983), SIAM J. Sci. Stat. Comput. 4, 553-572; Nocedal & Wright (2006),
Numerical Optimization, chapter 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numbamm.blocks.eigen import eigh
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGER, MATRIX, NUMBER, REALS, record
from numbamm.blocks.vectors import copy

#: What `advance` asks for or reports. DIFFERENTIATE: g and H at x, where the value is known.
EVALUATE, DIFFERENTIATE, CONVERGED, ROUNDOFF, FAILED = range(5)
# Positions in `State.numbers`.
PHASE, FBEST, RADIUS, PREDICTED, LENGTH, FTOL_ABS, FTOL_REL, MOVED, SHORT = range(9)
_START, _DERIVATIVES, _TRIAL, LAST = 0.0, 1.0, 2.0, 3.0

#: A last step that promises more than this share of the tolerance is still taken: it costs an
#: evaluation, and in flat directions gives the estimates digits that the objective does not show.
WORTHWHILE = 1e-3

#: H is corrected after so many steps in a row by which the objective fell so many times as far as
#: promised.
OFTEN, MORE = 2.0, 1.5
#: An update is left out where it would divide by less than this share.
LEAST_ALONG = 1e-8

#: First radius, in parameters of which 1 is the usual start.
FIRST_RADIUS = 1.0
SMALLEST_RADIUS = 1e-9


class State(NamedTuple):
    """All that the search keeps between calls.

    x is where the objective is wanted; g and H, filled in by the caller, are the derivatives at
    `best` in scaled parameters, ``scale * x``, and H is used up. `lacking` is what H lacks as far
    as steps have shown, and `before` holds x and g before the last of them; see `correct`.
    """

    x: np.ndarray
    best: np.ndarray
    scale: np.ndarray
    g: np.ndarray
    H: np.ndarray
    step: np.ndarray
    values: np.ndarray
    work: np.ndarray
    numbers: np.ndarray
    lacking: np.ndarray
    before: np.ndarray


STATE = record(
    State,
    **dict.fromkeys(State._fields, REALS) | dict.fromkeys(("H", "lacking", "before"), MATRIX),
)


def allocate(n: int) -> State:
    """Room for a search in n parameters."""
    return State(
        *np.empty((3, n)),
        np.empty(n),
        np.empty((n, n)),
        *np.empty((2, n)),
        np.empty(n * n + 42 * n),
        np.empty(9),
        np.empty((n, n)),
        np.empty((2, n)),
    )


@jit(entry=False)
def begin(s, ftol_abs, ftol_rel):
    """Begin a search at ``s.x``, with the ``s.scale`` that stands there."""
    s.numbers[:] = 0.0
    s.numbers[FTOL_ABS], s.numbers[FTOL_REL] = ftol_abs, ftol_rel
    copy(s.x, s.best)
    restart(s)


@jit(entry=False)
def restart(s):
    """Go on from x, wherever that is; its value is known to be the lowest so far."""
    s.numbers[PHASE], s.numbers[RADIUS] = _START, FIRST_RADIUS
    _forget(s)


@jit
def _forget(s):
    """Trust H alone."""
    s.numbers[MOVED] = s.numbers[SHORT] = 0.0
    s.lacking[:] = 0.0


@jit(entry=False)
def correct(s):
    """Add to a new H what the steps have shown that it lacks.

    H may be no more than near to the Hessian, and with few rows not even that: then steps would be
    too short or too long by the same factor again and again. The difference is known along the last
    step, from the gradients at both of its ends, and is updated symmetrically with rank one.
    """
    if s.numbers[SHORT] < OFTEN:
        return
    n = len(s.x)
    move, lack = s.work[:n], s.work[n : 2 * n]
    if s.numbers[MOVED] > 0.0:
        along = moved = lacked = 0.0
        for i in range(n):
            move[i] = s.scale[i] * (s.x[i] - s.before[0, i])
        for i in range(n):
            lack[i] = s.g[i] - s.before[1, i]
            for j in range(n):
                lack[i] -= (s.H[i, j] + s.lacking[i, j]) * move[j]
            along += lack[i] * move[i]
            moved += move[i] * move[i]
            lacked += lack[i] * lack[i]
        if abs(along) > LEAST_ALONG * math.sqrt(moved * lacked):
            for i in range(n):
                for j in range(n):
                    s.lacking[i, j] += lack[i] * lack[j] / along
    copy(s.x, s.before[0])
    copy(s.g, s.before[1])
    s.numbers[MOVED] = 1.0
    for i in range(n):
        for j in range(n):
            s.H[i, j] += s.lacking[i, j]


@jit(entry=False)
def tolerance(s):
    """By how much the objective must promise to fall for the search to go on."""
    return max(s.numbers[FTOL_ABS], s.numbers[FTOL_REL] * abs(s.numbers[FBEST]))


@jit(entry=False, takes=(STATE, NUMBER), gives=INTEGER)
def advance(s, f):
    """Take the value at x, or the derivatives asked for; what is needed next, or the end.

    Parameters
    ----------
    s : State
    f : float64
        The objective at ``s.x``, NaN where it does not exist.

    Returns
    -------
    int
        EVALUATE at the new ``s.x``; DIFFERENTIATE at ``s.x``; or an end, with ``s.x = s.best``.
    """
    numbers = s.numbers
    if numbers[PHASE] == _START:
        return _accept(s, f) if np.isfinite(f) else FAILED
    if numbers[PHASE] == LAST:
        return conclude(s.x, s.best, numbers, f)
    if numbers[PHASE] == _DERIVATIVES:
        if not eigh(s.H.reshape(s.H.size), len(s.x), s.values, s.work):
            return FAILED
    else:
        fall, length = numbers[FBEST] - f, numbers[LENGTH]
        ratio, radius = fall / numbers[PREDICTED], numbers[RADIUS]
        if not ratio > 0.25:  # NaN, too
            numbers[RADIUS] = 0.25 * length
        elif ratio > 0.75 and length > 0.9 * numbers[RADIUS]:
            numbers[RADIUS] = 2.5 * numbers[RADIUS]
        if numbers[SHORT] < OFTEN:
            numbers[SHORT] = numbers[SHORT] + 1.0 if ratio > MORE and length < 0.9 * radius else 0.0
        if fall > 0.0:
            return _accept(s, f)
        _forget(s)
        if numbers[RADIUS] < SMALLEST_RADIUS:
            copy(s.best, s.x)
            return ROUNDOFF
    numbers[PREDICTED], numbers[LENGTH] = minimize_in_ball(s, numbers[RADIUS])
    numbers[PHASE] = _TRIAL
    if not numbers[PREDICTED] > tolerance(s):
        if not numbers[PREDICTED] > WORTHWHILE * tolerance(s):
            copy(s.best, s.x)
            return CONVERGED
        numbers[PHASE] = LAST
    for i in range(len(s.x)):
        s.x[i] = s.best[i] + s.step[i] / s.scale[i]
    return EVALUATE


@jit(entry=False)
def conclude(x, best, numbers, f):
    """The last step has been taken to x: it counts if the objective fell; x ends at the best."""
    if f < numbers[FBEST]:
        copy(x, best)
        numbers[FBEST] = f
    copy(best, x)
    return CONVERGED


@jit
def _accept(s, f):
    copy(s.x, s.best)
    s.numbers[FBEST], s.numbers[PHASE] = f, _DERIVATIVES
    return DIFFERENTIATE


@jit(entry=False)
def minimize_in_ball(s, radius):
    """The minimum of the model within a radius into ``s.step``; predicted fall, and length.

    It is -(H + μI)⁻¹g with the smallest μ ≥ 0 that makes H + μI positive semidefinite and the
    step no longer than the radius. The eigenvectors stand in the rows of ``s.H``.
    """
    n = len(s.x)
    slope, least = s.work[:n], 0
    for i in range(n):
        slope[i] = 0.0
        for j in range(n):
            slope[i] += s.H[i, j] * s.g[j]
        if s.values[i] < s.values[least]:
            least = i
    size = 0.0
    for i in range(n):
        size = max(size, abs(s.values[i]))
    lowest = max(0.0, -s.values[least])
    shift = lowest + 1e-13 * size
    length = _length(slope, s.values, shift)
    if length > radius:
        shift = _shift(slope, s.values, shift, length, radius)
        length = _length(slope, s.values, shift)
    rest = 0.0  # how far to go along the eigenvector of the smallest eigenvalue, if it is negative
    if s.values[least] < -1e-10 * size and length < radius:
        rest = math.sqrt(radius * radius - length * length)
    predicted = length = 0.0
    s.step[:] = 0.0
    for i in range(n):
        along = -slope[i] / (s.values[i] + shift) if slope[i] != 0.0 else 0.0
        if i == least:
            along = along - rest if slope[i] > 0.0 else along + rest
        predicted -= slope[i] * along + 0.5 * s.values[i] * along * along
        length += along * along
        for j in range(n):
            s.step[j] += along * s.H[i, j]
    return predicted, math.sqrt(length)


@jit
def _length(slope, values, shift):
    total = 0.0
    for i in range(len(slope)):
        if slope[i] != 0.0:
            total += (slope[i] / (values[i] + shift)) ** 2
    return math.sqrt(total)


@jit
def _shift(slope, values, low, length, radius):
    """μ at which the step has the length of the radius, by Newton's method on 1/length."""
    norm = 0.0
    for i in range(len(slope)):
        norm += slope[i] * slope[i]
    shift, high = low, low + math.sqrt(norm) / radius
    for _ in range(60):
        if abs(length - radius) <= 1e-3 * radius:
            break
        if length > radius:
            low = shift
        else:
            high = shift
        change = 0.0  # of the squared length, over -2
        for i in range(len(slope)):
            if slope[i] != 0.0:
                change += slope[i] ** 2 / (values[i] + shift) ** 3
        shift += (length / radius - 1.0) * length * length / change
        if not low < shift < high:
            shift = 0.5 * (low + high)
        length = _length(slope, values, shift)
    return shift
