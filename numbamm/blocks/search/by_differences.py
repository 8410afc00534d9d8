"""Newton's method with derivatives by differences of the objective, for few parameters.

The model of the objective is the quadratic that interpolates it at the best point, one step
forward and back along each of n axes, and at the sums of two forward steps. The axes are conjugate
in the previous Hessian, so that nearly collinear columns do no harm. The steps are long enough for
rounding errors, and short enough for third derivatives, to be small in the differences. A search
ends at the same point as one with exact derivatives, to ten digits.

The coordinates are the symmetric square roots S of λλ' in columns that are uncorrelated and have
root mean square 1: λλ' = MSSM', see `models.coordinates`. The entries of a triangular λ would have
curved valleys: where a leading entry is almost zero, and where a slope's column is far from 0. The
objective is an even function of each eigenvalue of S. At an eigenvalue of zero the gradient is
exactly zero, and the sign of the curvature distinguishes a minimum from a saddle point. Along an
axis of clearly negative curvature the step is at least half the radius. Steps use the absolute
values of curvatures (Dauphin et al., 2014, Advances in Neural Information Processing Systems 27).

Source: Nocedal & Wright (2006), Numerical Optimization, chapters 3 and 8.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numbamm.blocks.cholesky import DEGREES, criterion, factorize
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, INTEGERS, MATRIX, NUMBER, REALS, TABLE, record
from numbamm.blocks.layout import ORDER, TAIL
from numbamm.blocks.vectors import copy

#: The step of the differences is the fourth root of the objective's rounding error, in units in
#: which the second derivative is one; at most this.
WIDEST = 0.2
EPSILON = np.finfo(float).eps
#: The first and the longest steps of the differences, relative to the coordinates' sizes.
FIRST, LONGEST = 0.02, 0.05
#: First radius of the trust region, relative to the sizes; and the length of a failed step below
#: which the search ends.
FIRST_RADIUS, SMALLEST = 1.0, 1e-9
#: Factor by which an axis is lengthened if rounding errors exceed the differences along it.
LONGER = 10.0
#: Relative to the squared width of the differences: curvatures below NOISE are rounding errors, and
#: curvatures above FLAT do not count as negative.
NOISE, FLAT = 1e-5, -1e-3
#: A step with a predicted decrease above this share of the tolerance is still taken, so that
#: estimates have as many digits as with exact derivatives.
WORTHWHILE = 1e-5
#: A failed step is shortened this many times before the quadratic is evaluated again: in the first
#: one the axes are guesses, and the differences may be much too wide.
SHORTER = 2

#: Largest number of evaluations in one call.
CHUNK = 512
#: Smallest size of a coordinate.
LEAST_SIZE = 0.1

#: Codes of a search. PAUSED: the log is full.
GOING_ON, CONVERGED, ROUNDOFF, PAUSED = range(4)
ENDS = {CONVERGED: "CONVERGED", ROUNDOFF: "ROUNDOFF_LIMITED"}

#: Phases, by what is evaluated: the start, the points of a quadratic, a step.
START, QUADRATIC, TRIAL = range(3)

# Positions in `Plan.counts`: the code of the search; number of evaluations; whether the model is
# one term with two columns (a pair); the phase; the point of the quadratic that is evaluated;
# whether the quadratic is convex; number of failures of the step; whether some curvature is below
# the rounding errors.
CODE, FEVAL, PAIR, PHASE, POINT, CONVEX, FAILURES, HIDDEN = range(8)
# Positions in `Plan.numbers`: tolerances; the objective at the best point; the radius; the length
# of the step relative to sizes; the share of it that is taken; minus the slope along it, and the
# curvature; an estimate of the objective's rounding error, as in `fitting.residual_variance`. From
# UNITS on follow the units: the entries 00, 01 and 11 of M for a pair; otherwise the diagonal of M.
FTOL_ABS, FTOL_REL, BEST, RADIUS, LENGTH, SHARE, DESCENT, CURVATURE, ERROR, UNITS = range(10)


class Plan(NamedTuple):
    """State of a search.

    Attributes
    ----------
    counts : int64, shape (8,)
        See the module's constants.
    numbers : float64
        See the module's constants.
    x : float64, shape (n,)
        The coordinates of the start, and then of the best point.
    scratch : float64
        Sizes of the coordinates, the latest point, the step and the slopes along the axes, shape
        (n,) each; the axes, the Hessian and its factor, shape (n²,) each; the values of a
        quadratic, shape (n (n + 3) / 2,).
    log : float64, shape (evaluations, 1 + n)
        Objective and θ of each evaluation; the search pauses when it is full.
    """

    counts: np.ndarray
    numbers: np.ndarray
    x: np.ndarray
    scratch: np.ndarray
    log: np.ndarray


PLAN = record(Plan, counts=INTEGERS, numbers=REALS, x=REALS, scratch=REALS, log=MATRIX)


def plan_of(x, is_scale, units, pair: bool, ftol_abs: float, ftol_rel: float) -> Plan:
    """Plan a search from the coordinates x; its log is still empty.

    Parameters
    ----------
    x, is_scale, units, pair
        See `models.coordinates.Coordinates`.
    ftol_abs, ftol_rel : float
        The search ends when the predicted decrease of the objective is at most this, absolutely or
        relative to the objective.
    """
    n, numbers = len(x), np.zeros(UNITS + len(units))
    counts = np.zeros(8, dtype=np.int64)
    counts[PAIR] = pair
    numbers[[FTOL_ABS, FTOL_REL, RADIUS]] = ftol_abs, ftol_rel, FIRST_RADIUS
    numbers[UNITS:] = units
    x = np.array(x, dtype=np.float64)
    scratch = np.zeros(4 * n + 3 * n * n + n * (n + 3) // 2)
    size = scratch[:n]
    size[:] = np.maximum(np.abs(x), LEAST_SIZE)
    size[~is_scale] = 0.5 * size[is_scale].min()  # larger steps would inflate the smaller scale
    scratch[4 * n : 4 * n + n * n : n + 1] = FIRST * size
    return Plan(counts, numbers, x, scratch, np.empty((0, 1 + n)))


@jit(takes=(REALS, TABLE, INDEX, REALS, REALS, INTEGERS, NUMBER, NUMBER, PLAN))
def search(theta, table, index, A, work, degrees, constant, sigma, plan):
    """Run a search until it ends or its log is full.

    Parameters
    ----------
    theta : float64, shape (number of θ,)
        Scratch.
    table, index, A, work, degrees, constant, sigma
        As for `cholesky.objective`.
    plan : Plan
        Says how the search stands; updated.
    """
    m, d = table[0, ORDER], degrees[DEGREES]
    going_on = True
    while going_on:
        _place(theta, plan)
        logdet = factorize(theta, table, index, A, work)
        f = criterion(logdet, table, work, degrees, constant, sigma)
        r = work[table[0, TAIL] + m * m - 1]
        relative = d / (r * r) if sigma == 0.0 else 1.0 / sigma**2
        plan.numbers[ERROR] = EPSILON * (d * relative + abs(f))
        going_on = _take(f, theta, plan) == GOING_ON


@jit
def _place(theta, plan):
    """Fill θ with that of the next point."""
    n, numbers, counts = len(theta), plan.numbers, plan.counts
    at, step, axes = plan.scratch[n : 2 * n], plan.scratch[2 * n : 3 * n], plan.scratch[4 * n :]
    copy(plan.x, at)
    if counts[PHASE] == TRIAL:
        _add(step, numbers[SHARE], at)
    elif counts[PHASE] == QUADRATIC:
        i, sign = counts[POINT], 1.0
        if i >= 2 * n:  # a step along each of two axes
            j, i = i - 2 * n, 1
            while j >= i:
                j, i = j - i, i + 1
            _add(axes[j * n : (j + 1) * n], 1.0, at)
        elif i >= n:
            i, sign = i - n, -1.0
        _add(axes[i * n : (i + 1) * n], sign, at)
    if counts[PAIR] == 0:
        for i in range(n):
            theta[i] = numbers[UNITS + i] * at[i]
        return
    m00, m01, m11 = numbers[UNITS], numbers[UNITS + 1], numbers[UNITS + 2]
    u00, u01 = m00 * at[0] + m01 * at[1], m00 * at[1] + m01 * at[2]
    u10, u11 = m11 * at[1], m11 * at[2]
    theta[0] = math.hypot(u00, u01)
    if theta[0] == 0.0:
        theta[1], theta[2] = 0.0, math.hypot(u10, u11)
    else:
        theta[1] = (u10 * u00 + u11 * u01) / theta[0]
        theta[2] = abs(u11 * u00 - u10 * u01) / theta[0]


@jit
def _take(f, theta, plan):
    """Take the objective at a point, and choose the next; returns the code of the search."""
    n, numbers, counts = len(theta), plan.numbers, plan.counts
    row = plan.log[counts[FEVAL]]
    row[0] = f
    copy(theta, row[1:])
    counts[FEVAL] += 1
    if not np.isfinite(f):
        f = np.inf
    if counts[PHASE] == START:
        numbers[BEST], counts[PHASE] = f, QUADRATIC
    elif counts[PHASE] == TRIAL:
        counts[CODE] = _judge_step(f, plan)
    else:
        plan.scratch[4 * n + 3 * n * n + counts[POINT]] = f
        counts[POINT] += 1
        if counts[POINT] == n * (n + 3) // 2:
            counts[POINT], counts[PHASE] = 0, TRIAL
            _newton(plan)
            predicted, tolerance = _prediction(plan)
            if counts[HIDDEN] > 0:
                counts[PHASE] = QUADRATIC
            elif not predicted > WORTHWHILE * tolerance:
                counts[CODE] = CONVERGED
            elif not predicted < np.inf:
                counts[CODE] = ROUNDOFF
    if counts[CODE] == GOING_ON and counts[FEVAL] == len(plan.log):
        counts[CODE] = PAUSED
    return counts[CODE]


@jit
def _newton(plan):
    """Compute a Newton step, its predicted decrease, and new axes from the quadratic's values."""
    x, numbers, counts, n = plan.x, plan.numbers, plan.counts, len(plan.x)
    size, step, slopes = plan.scratch[:n], plan.scratch[2 * n : 3 * n], plan.scratch[3 * n : 4 * n]
    axes, H = plan.scratch[4 * n :], plan.scratch[4 * n + n * n :]
    L, values = plan.scratch[4 * n + 2 * n * n :], plan.scratch[4 * n + 3 * n * n :]
    numbers[DESCENT] = numbers[CURVATURE] = numbers[LENGTH] = 0.0
    numbers[SHARE], counts[CONVEX], counts[FAILURES], counts[HIDDEN] = 1.0, 1, 0, 0
    width = min(numbers[ERROR] ** 0.25, WIDEST)
    least = max(NOISE * width**2, 4.0 * numbers[ERROR])
    for i in range(n):
        size[i] = max(size[i], abs(x[i]))
        step[i] = 0.0
    for i in range(n):
        up, down = values[i], values[n + i]
        slopes[i], curvature = 0.5 * (up - down), up - 2.0 * numbers[BEST] + down
        axis = axes[i * n : (i + 1) * n]
        for j in range(i):  # H = LDL', and axes that are conjugate in H
            entry = values[2 * n + i * (i - 1) // 2 + j] - up - values[j] + numbers[BEST]
            for k in range(j):
                entry -= L[i * n + k] * H[j * n + k]
            share = entry / H[j * n + j] if abs(H[j * n + j]) > least else 0.0
            H[i * n + j], L[i * n + j] = entry, share
            curvature -= share * entry
            slopes[i] -= share * slopes[j]
            _add(axes[j * n : (j + 1) * n], -share, axis)
        H[i * n + i] = curvature
    for i in range(n):
        axis, curvature, slope = axes[i * n : (i + 1) * n], H[i * n + i], slopes[i]
        if abs(curvature) < least and _lengthen(axis, size):
            counts[HIDDEN] = 1
        length, strength = _length(axis, size), max(abs(curvature), least)
        along = -slope / strength
        if curvature < min(FLAT * width**2, -least):
            far = 0.5 * numbers[RADIUS] / length
            along = math.copysign(max(abs(along), far), along)
        if not curvature > 0.0:
            counts[CONVEX] = 0
        numbers[DESCENT] -= slope * along
        numbers[CURVATURE] += curvature * along * along
        _add(axis, along, step)
        factor = min(width / math.sqrt(strength), LONGEST / length)
        for k in range(n):
            axis[k] *= factor
    numbers[LENGTH] = _length(step, size)
    if numbers[LENGTH] > numbers[RADIUS]:
        numbers[SHARE] = numbers[RADIUS] / numbers[LENGTH]


@jit
def _lengthen(axis, size):
    """Lengthen an axis along which rounding errors exceed the differences; False if it cannot be.

    The sizes of its coordinates grow, up to the largest of all coordinates. A coordinate of zero
    does not show which size has an effect on the objective: if another one is 1000, it may be 100.
    """
    grown, largest = False, 0.0
    for k in range(len(size)):
        largest = max(largest, size[k])
    for k in range(len(size)):
        wanted = min(LONGER * abs(axis[k]) / LONGEST, largest)
        if wanted > size[k]:
            size[k], grown = wanted, True
    return grown


@jit
def _prediction(plan):
    """Predicted decrease of the objective by the step, and the tolerance."""
    numbers = plan.numbers
    share = numbers[SHARE]
    predicted = share * numbers[DESCENT] - 0.5 * share * share * numbers[CURVATURE]
    return predicted, max(numbers[FTOL_ABS], numbers[FTOL_REL] * abs(numbers[BEST]))


@jit
def _judge_step(f, plan):
    """Accept a step or shorten it; returns the code of the search."""
    numbers, counts, n = plan.numbers, plan.counts, len(plan.x)
    predicted, tolerance = _prediction(plan)
    decrease, length = numbers[BEST] - f, numbers[SHARE] * numbers[LENGTH]
    if not predicted > tolerance:
        return CONVERGED
    # With a third derivative t, the decrease by a Newton step s differs from the predicted one by a
    # term in ts³. The slope after the step is ts²/2, and the decrease that a further step could
    # bring is about the square of that term, divided by the decrease.
    accurate = (decrease - predicted) ** 2 < WORTHWHILE * tolerance * predicted
    if accurate and numbers[SHARE] == 1.0 and counts[CONVEX] > 0:
        return CONVERGED
    if decrease < 0.25 * predicted:
        numbers[RADIUS] = 0.5 * length
    elif decrease > 0.75 * predicted:
        numbers[RADIUS] = max(numbers[RADIUS], 2.5 * length)
    if decrease > 0.0:
        copy(plan.scratch[n : 2 * n], plan.x)
        numbers[BEST], counts[PHASE] = f, QUADRATIC
        return GOING_ON
    if length < SMALLEST or predicted < numbers[ERROR]:
        return ROUNDOFF
    numbers[SHARE] *= 0.25
    counts[FAILURES] += 1
    if counts[FAILURES] > SHORTER:
        counts[PHASE] = QUADRATIC
    return GOING_ON


@jit
def _add(step, share, at):
    """at += share step."""
    for k in range(len(at)):
        at[k] += share * step[k]


@jit
def _length(step, size):
    """Length of a step relative to the coordinates' sizes."""
    length = 0.0
    for k in range(len(step)):
        length = max(length, abs(step[k]) / size[k])
    return length


class Search:
    """A search that is run in chunks of evaluations; see `numbamm.optimize.protocol.OwnSearch`.

    Parameters
    ----------
    plan : Plan
    arguments : tuple
        Arguments of `search` between θ and the plan.
    """

    gradient_norm = math.nan

    def __init__(self, plan: Plan, arguments: tuple) -> None:
        self._plan, self._arguments = plan, arguments
        self.fbest = math.inf

    @property
    def returnvalue(self) -> str | None:
        """How the search ended; None until then."""
        return ENDS.get(int(self._plan.counts[CODE]))

    def step(self, most: float) -> list[tuple[np.ndarray, float]]:
        """Up to `most` evaluations: θ, and the objective there."""
        n, counts = len(self._plan.x), self._plan.counts
        plan = self._plan._replace(log=np.empty((int(min(most, CHUNK)), 1 + n)))
        counts[FEVAL], counts[CODE] = 0, GOING_ON
        search(np.empty(n), *self._arguments, plan)
        log = plan.log[: counts[FEVAL]]
        values = log[:, 0].tolist()
        self.fbest = float(plan.numbers[BEST])
        return list(zip(log[:, 1:], values, strict=True))
