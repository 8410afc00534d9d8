"""A trust-region search by reverse communication: the caller evaluates the objective.

Each call of `advance` takes a value, or derivatives, and returns what the search needs next; see
`communication`. The quadratic model around the best point is f + g's + s'Hs/2 in scaled parameters.
Its exact minimum in a ball follows from the eigen-decomposition of H. H may be indefinite: at a
saddle point the step is along the eigenvector of the smallest eigenvalue. Where H is large and
positive definite, its Cholesky factor gives the minimum in a fraction of the time, if that is
inside the ball.

Steps to such minima converge at a rate that is seen from their predicted decreases, p and then q:
the next one would be about q²/p. If that is far below the tolerance, the search ends with this
step, unless the objective falls by another amount than predicted.

Sources: Moré & Sorensen (1983), SIAM J. Sci. Stat. Comput. 4, 553-572; Nocedal & Wright (2006),
Numerical Optimization, chapter 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numbamm.blocks.eigen import eigh
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGER, INTEGERS, MATRIX, NUMBER, REALS, record
from numbamm.blocks.lapack import LEFT, LOWER, NO, TRANSPOSED, dpotrf, dtrsm
from numbamm.blocks.search.communication import (
    DIFFERENTIATE,
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
from numbamm.blocks.vectors import copy, dot

# Positions in `State.numbers` after those of `communication`: the radius, the predicted decrease
# and the length of the step; and the predicted decrease of the step before, if that was accepted
# and ended inside the ball, else 0.
RADIUS, PREDICTED, LENGTH, BEFORE = range(3, 7)
# Positions in `State.counts` after PHASE: whether `before` is filled (0 or 1), the number of
# successive steps that were too short, whether H holds its eigenvectors, and whether the step is
# expected to be the last that is worth while.
MOVED, SHORT, DECOMPOSED, EXPECTED = range(1, 5)
#: Phases besides START and LAST, by what the next call of `advance` brings.
_DERIVATIVES, _TRIAL = 2, 3

#: H is corrected after OFTEN successive steps whose decrease exceeds MORE times the predicted one.
OFTEN, MORE = 2, 1.5
#: The rank-one update is skipped if its denominator is below this share of its upper bound.
LEAST_ALONG = 1e-8

#: Smaller H are decomposed at once. The Cholesky factor of others is used if no squared pivot is
#: below this share of the largest element on H's diagonal.
FACTORED, LEAST_PIVOT = 9, 1e-11
#: The last step is the one after which another would lower the objective by less than this share
#: of the tolerance, if the objective falls as predicted up to a share.
NEGLIGIBLE, AS_PREDICTED = 1e-2, 0.1
#: A step that is shorter than this share of the radius ends inside the ball.
INSIDE = 0.9

#: First radius; the default start of a scale parameter is 1.
FIRST_RADIUS = 1.0
#: The search ends when the radius falls below this.
SMALLEST_RADIUS = 1e-9


class State(NamedTuple):
    """State of the search between calls.

    The objective is to be evaluated at x. The caller fills g and H with the derivatives at `best`
    with respect to the scaled parameters, ``scale * x``; H is overwritten. `correction` is added
    to each new H, and `before` holds x and g of the previous correction; see `correct`.
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
    counts: np.ndarray
    correction: np.ndarray
    before: np.ndarray


STATE = record(
    State,
    **dict.fromkeys(State._fields, REALS)
    | dict.fromkeys(("H", "correction", "before"), MATRIX)
    | {"counts": INTEGERS},
)


def allocate(n: int) -> State:
    """Allocate the state of a search in n parameters."""
    x, best, scale, g, step, values = np.empty((6, n))
    H, correction = np.empty((2, n, n))
    work, numbers, counts = np.empty(n * n + 42 * n), np.empty(7), np.empty(5, dtype=np.int64)
    before = np.empty((2, n))
    return State(x, best, scale, g, H, step, values, work, numbers, counts, correction, before)


@jit(entry=False)
def begin(s, ftol_abs, ftol_rel):
    """Begin a search at ``s.x`` with the scales ``s.scale``."""
    initialise(s, ftol_abs, ftol_rel)
    restart(s)


@jit(entry=False)
def restart(s):
    """Restart at x, whose value is the lowest so far."""
    s.counts[PHASE], s.numbers[RADIUS] = START, FIRST_RADIUS
    s.counts[EXPECTED], s.numbers[BEFORE] = 0, 0.0
    _forget(s)


@jit
def _forget(s):
    """Drop the correction of H."""
    s.counts[MOVED] = s.counts[SHORT] = 0
    s.correction[:] = 0.0


@jit(entry=False)
def correct(s):
    """Add a correction to a new H, learnt from the gradients (symmetric rank-one update).

    H approximates the Hessian, and poorly with few rows; successive steps would then be too short
    by the same factor. The gradients at both ends of the last step give the error of H along it.
    """
    if s.counts[SHORT] < OFTEN:
        return
    n = len(s.x)
    move, error = s.work[:n], s.work[n : 2 * n]
    if s.counts[MOVED] > 0:
        along = move2 = error2 = 0.0
        for i in range(n):
            move[i] = s.scale[i] * (s.x[i] - s.before[0, i])
        for i in range(n):
            error[i] = s.g[i] - s.before[1, i]
            for j in range(n):
                error[i] -= (s.H[i, j] + s.correction[i, j]) * move[j]
            along += error[i] * move[i]
            move2 += move[i] * move[i]
            error2 += error[i] * error[i]
        if abs(along) > LEAST_ALONG * math.sqrt(move2 * error2):
            for i in range(n):
                for j in range(n):
                    s.correction[i, j] += error[i] * error[j] / along
    copy(s.x, s.before[0])
    copy(s.g, s.before[1])
    s.counts[MOVED] = 1
    for i in range(n):
        for j in range(n):
            s.H[i, j] += s.correction[i, j]


@jit(entry=False, takes=(STATE, NUMBER), gives=INTEGER)
def advance(s, f):
    """Take the value or the derivatives that were asked for; return what is needed next.

    Parameters
    ----------
    s : State
    f : float64
        The objective at ``s.x``, NaN where it does not exist.

    Returns
    -------
    int
        EVALUATE at the new ``s.x``; DIFFERENTIATE at ``s.x``; or how the search ended.
    """
    numbers, counts = s.numbers, s.counts
    if counts[PHASE] == START:
        return _accept(s, f) if np.isfinite(f) else FAILED
    if counts[PHASE] == LAST:
        return conclude(s, f)
    if counts[PHASE] == _DERIVATIVES:
        counts[DECOMPOSED] = 0
    else:
        fall, length = numbers[FBEST] - f, numbers[LENGTH]
        ratio, radius = fall / numbers[PREDICTED], numbers[RADIUS]
        if counts[EXPECTED] and abs(ratio - 1.0) <= AS_PREDICTED:
            return conclude(s, f)
        if not ratio > 0.25:  # also if it is NaN
            numbers[RADIUS] = 0.25 * length
        elif ratio > 0.75 and length > INSIDE * numbers[RADIUS]:
            numbers[RADIUS] = 2.5 * numbers[RADIUS]
        if counts[SHORT] < OFTEN:
            counts[SHORT] = counts[SHORT] + 1 if ratio > MORE and length < INSIDE * radius else 0
        if fall > 0.0:
            numbers[BEFORE] = numbers[PREDICTED] if length < INSIDE * radius else 0.0
            return _accept(s, f)
        _forget(s)
        if numbers[RADIUS] < SMALLEST_RADIUS:
            copy(s.best, s.x)
            return ROUNDOFF
        numbers[BEFORE] = 0.0
    if not _step(s):
        return FAILED
    action = step_or_end(s, numbers[PREDICTED], _TRIAL)
    counts[EXPECTED] = action == EVALUATE and counts[PHASE] == _TRIAL and _is_expected_last(s)
    if action == EVALUATE:
        for i in range(len(s.x)):
            s.x[i] = s.best[i] + s.step[i] / s.scale[i]
    return action


@jit
def _accept(s, f):
    copy(s.x, s.best)
    s.numbers[FBEST], s.counts[PHASE] = f, _DERIVATIVES
    return DIFFERENTIATE


@jit
def _step(s):
    """The step to the minimum of the model in the trust region; False if H has no decomposition."""
    numbers, counts = s.numbers, s.counts
    if counts[DECOMPOSED] == 0 and len(s.x) >= FACTORED:
        predicted, length = _newton_step(s)
        if length <= numbers[RADIUS]:
            numbers[PREDICTED], numbers[LENGTH] = predicted, length
            return True
    if counts[DECOMPOSED] == 0:
        if not eigh(s.H.reshape(s.H.size), len(s.x), s.values, s.work):
            return False
        counts[DECOMPOSED] = 1
    numbers[PREDICTED], numbers[LENGTH] = minimize_in_ball(s, numbers[RADIUS])
    return True


@jit
def _is_expected_last(s):
    """Whether another step after this one would lower the objective by next to nothing."""
    before, predicted = s.numbers[BEFORE], s.numbers[PREDICTED]
    if not s.numbers[LENGTH] < INSIDE * s.numbers[RADIUS]:
        return False
    return predicted * predicted < NEGLIGIBLE * tolerance(s) * before


@jit
def _newton_step(s):
    """-H⁻¹g into ``s.step``; returns the predicted decrease and the step's length.

    The length is infinite if H is not safely positive definite. H is kept.
    """
    n, size = len(s.x), 0.0
    L = s.work[: n * n]
    for i in range(n):
        copy(s.H[i], L[i * n : (i + 1) * n])
        s.step[i] = -s.g[i]
        size = max(size, s.H[i, i])
    if dpotrf(LOWER, n, L, n) != 0:
        return 0.0, np.inf
    for i in range(n):
        if not L[i * n + i] ** 2 > LEAST_PIVOT * size:
            return 0.0, np.inf
    dtrsm(LEFT, LOWER, NO, NO, n, 1, 1.0, L, n, s.step, n)
    predicted = 0.5 * dot(s.step, s.step)
    dtrsm(LEFT, LOWER, TRANSPOSED, NO, n, 1, 1.0, L, n, s.step, n)
    return predicted, math.sqrt(dot(s.step, s.step))


@jit(entry=False)
def minimize_in_ball(s, radius):
    """Minimise the quadratic model in a ball; returns the predicted decrease and the step's length.

    ``s.step`` is filled. The step is -(H + μI)⁻¹g with the smallest μ ≥ 0 that makes H + μI
    positive semidefinite and the step no longer than the radius. The rows of ``s.H`` hold the
    eigenvectors, and ``s.values`` the eigenvalues.
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
    rest = 0.0  # length along the eigenvector of the smallest eigenvalue, if that is negative
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
        change = 0.0  # derivative of the squared length by μ, divided by -2
        for i in range(len(slope)):
            if slope[i] != 0.0:
                change += slope[i] ** 2 / (values[i] + shift) ** 3
        shift += (length / radius - 1.0) * length * length / change
        if not low < shift < high:
            shift = 0.5 * (low + high)
        length = _length(slope, values, shift)
    return shift
