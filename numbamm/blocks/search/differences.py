"""Newton's method with derivatives by differences, compiled with the objective, for few parameters.

Around the best point the objective is taken for the quadratic that agrees with it there, one step
either way along n axes, and at the sums of two of these steps. The axes are conjugate in the
Hessian before, so that columns that are nearly collinear do no harm, and the steps are such that
the differences drown neither in rounding error nor in third derivatives. A search ends where one
with exact derivatives does, to ten digits.

The coordinates are symmetric square roots S of λλ', in columns that are uncorrelated and of size
one: λλ' = MSSM', see `models.coordinates`. In the entries of a triangular λ there are curved
valleys where a leading entry nearly vanishes, and where the column of a slope lies far from 0. The
objective is even in an eigenvalue of S: where it is zero the slope is exactly zero, and the
curvature says whether it is a minimum. Where it is negative the search goes on along it; elsewhere
its absolute value serves (Dauphin et al., 2014, Advances in Neural Information Processing Systems
27).

Source: Nocedal & Wright (2006), Numerical Optimization, chapters 3 and 8.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numbamm.blocks.cholesky import criterion, factorize
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, MATRIX, NUMBER, REALS, TABLE, record
from numbamm.blocks.layout import ORDER, TAIL
from numbamm.blocks.vectors import copy

#: The step of the differences is the fourth root of the objective's rounding error, where the
#: objective curves by one a step, and at most so wide.
WIDEST = 0.2
EPSILON = np.finfo(float).eps
#: The first steps of the differences, and the longest, in shares of the coordinates' sizes.
FIRST, LONGEST = 0.02, 0.05
#: How far the search goes at once at first, in the same shares, and where it gives up.
FIRST_RADIUS, SMALLEST = 1.0, 1e-9
#: How much longer an axis becomes along which rounding hides the objective's differences.
LONGER = 10.0
#: In shares of one a step: curvatures below are rounding errors, and negative ones above are none.
NOISE, FLAT = 1e-5, -1e-3
#: A last step that promises more than this share of the tolerance is still taken: estimates are
#: to have as many digits as exact derivatives give.
WORTHWHILE = 1e-5
#: After a step that is in vain it is tried so often to go less far, before the quadratic is taken
#: anew: its axes were unknown at first, and its differences may have been much too wide.
SHORTER = 2

#: Most evaluations at a time.
CHUNK = 512
#: Sizes of coordinates are at least this.
LEAST_SIZE = 0.1

#: How a search ends.
GOING_ON, CONVERGED, ROUNDOFF, PAUSED = 0.0, 1.0, 2.0, 3.0
ENDS = {CONVERGED: "CONVERGED", ROUNDOFF: "ROUNDOFF_LIMITED"}

#: What is evaluated: the start, the points of a quadratic, a step.
START, QUADRATIC, TRIAL = 0.0, 1.0, 2.0

# Positions in `Plan.numbers`: how the search ended, its evaluations and tolerances; whether there
# is one term with two columns; what is evaluated, and at which of its points; the objective at the
# best point; the radius; of the step how long it is in shares of sizes, which share of it is taken,
# the slope and the curvature along it, whether the quadratic is convex, how many steps were in
# vain, and whether rounding hid a curvature; and about the rounding error of the objective, as in
# `models.residual`. From UNITS on are the units: the entries 00, 01 and 11 of M for a pair;
# otherwise M is diagonal.
CODE, FEVAL, FTOL_ABS, FTOL_REL, PAIR, PHASE, POINT, BEST, RADIUS = range(9)
LENGTH, SHARE, FALLS, BENDS, CONVEX, VAIN, BLIND, ERROR, UNITS = range(9, 18)


class Plan(NamedTuple):
    """A search to be made, and what it finds.

    Attributes
    ----------
    numbers : float64
    x : float64, shape (n,)
        The coordinates where it begins, and then the best.
    scratch : float64
        The coordinates' sizes, the point evaluated last, the step and slopes, shape (n,) each; the
        axes, the Hessian, its factor and the values of a quadratic, shape (n²,).
    log : float64, shape (evaluations, 1 + n)
        Filled with objective and θ of the evaluations; where it is full the search pauses.
    """

    numbers: np.ndarray
    x: np.ndarray
    scratch: np.ndarray
    log: np.ndarray


PLAN = record(Plan, numbers=REALS, x=REALS, scratch=REALS, log=MATRIX)
#: In the place of a search: one evaluation.
NO_PLAN = Plan(np.empty(0), np.empty(0), np.empty(0), np.empty((0, 0)))


def plan_of(x, is_scale, units, pair: bool, ftol_abs: float, ftol_rel: float) -> Plan:
    """A search from coordinates x, as yet without a log.

    Parameters
    ----------
    x, is_scale, units, pair
        See `models.coordinates.Coordinates`.
    ftol_abs, ftol_rel : float
        The search ends when the objective promises to fall by no more, in its own units or relative
        to itself.
    """
    n, numbers = len(x), np.zeros(UNITS + len(units))
    numbers[[FTOL_ABS, FTOL_REL, PAIR, RADIUS]] = ftol_abs, ftol_rel, pair, FIRST_RADIUS
    numbers[UNITS:] = units
    x = np.array(x, dtype=np.float64)
    scratch = np.zeros(4 * n + 3 * n * n + n * (n + 3) // 2)
    size = scratch[:n]
    size[:] = np.maximum(np.abs(x), LEAST_SIZE)
    size[~is_scale] = 0.5 * size[is_scale].min()  # else the lesser scale would grow
    scratch[4 * n : 4 * n + n * n : n + 1] = FIRST * size
    return Plan(numbers, x, scratch, NO_PLAN.log)


@jit(takes=(REALS, TABLE, INDEX, *3 * (REALS,), NUMBER, NUMBER, PLAN))
def objective(theta, table, index, A, work, degrees, constant, sigma, plan):
    """-2 log-likelihood or REML criterion at θ, with β and σ profiled out; or a search.

    ::

        logdet + d (1 + log(2π r²/d)) + constant              σ estimated
        logdet + r²/σ² + d log(2πσ²)  + constant              σ given

    Parameters
    ----------
    theta : float64, shape (number of θ,)
        Scratch for a search.
    table, index, A
        Layout and cross-product; only read.
    work : float64, shape (size_work,)
        Holds L(θ) afterwards. One for each thread.
    degrees : float64, shape (2,)
        d, and whether the X rows enter the log-determinant (1.0: REML, 0.0: ML).
    constant : float64
        What does not depend on θ: -Σ log w, and the scaling of X under REML.
    sigma : float64
        The residual standard deviation, on the scale of y in A, if given; else 0.
    plan : Plan
        `NO_PLAN`, or that of a search. One entry point serves both, since the factorisation is most
        of either, and would be compiled twice.

    Returns
    -------
    float64
        NaN if Ω is not positive definite to working precision. Of a search, the first value.
    """
    searching = len(plan.log) > 0
    while True:
        if searching:
            _place(theta, plan)
        logdet = factorize(theta, table, index, A, work)
        f = criterion(logdet, table, work, degrees, constant, sigma)
        if not searching:
            return f
        m, d = table[0, ORDER], degrees[0]
        r = work[table[0, TAIL] + m * m - 1]
        relative = d / (r * r) if sigma == 0.0 else 1.0 / sigma**2
        plan.numbers[ERROR] = EPSILON * (d * relative + abs(f))
        if _take(f, theta, plan):
            return f


@jit
def _place(theta, plan):
    """θ of the next point to be evaluated."""
    n, numbers = len(theta), plan.numbers
    at, step, axes = plan.scratch[n : 2 * n], plan.scratch[2 * n : 3 * n], plan.scratch[4 * n :]
    copy(plan.x, at)
    if numbers[PHASE] == TRIAL:
        _add(step, numbers[SHARE], at)
    elif numbers[PHASE] == QUADRATIC:
        i, back = int(numbers[POINT]), 1.0
        if i >= 2 * n:  # one step along two axes
            j, i = i - 2 * n, 1
            while j >= i:
                j, i = j - i, i + 1
            _add(axes[j * n : (j + 1) * n], 1.0, at)
        elif i >= n:
            i, back = i - n, -1.0
        _add(axes[i * n : (i + 1) * n], back, at)
    if numbers[PAIR] == 0.0:
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
    """Take note of the objective at a point, and go on; whether the search has ended."""
    n, numbers = len(theta), plan.numbers
    row = plan.log[int(numbers[FEVAL])]
    row[0] = f
    copy(theta, row[1:])
    numbers[FEVAL] += 1.0
    if not np.isfinite(f):
        f = np.inf
    if numbers[PHASE] == START:
        numbers[BEST], numbers[PHASE] = f, QUADRATIC
    elif numbers[PHASE] == TRIAL:
        numbers[CODE] = _judge(f, plan)
    else:
        plan.scratch[4 * n + 3 * n * n + int(numbers[POINT])] = f
        numbers[POINT] += 1.0
        if numbers[POINT] == n * (n + 3) // 2:
            numbers[POINT], numbers[PHASE] = 0.0, TRIAL
            _newton(plan)
            promised, tolerance = _promised(plan)
            if numbers[BLIND] > 0.0:
                numbers[PHASE] = QUADRATIC
            elif not promised > WORTHWHILE * tolerance:
                numbers[CODE] = CONVERGED
            elif not promised < np.inf:
                numbers[CODE] = ROUNDOFF
    if numbers[CODE] == GOING_ON and numbers[FEVAL] == len(plan.log):
        numbers[CODE] = PAUSED
    return numbers[CODE] != GOING_ON


@jit
def _newton(plan):
    """A step of Newton's method from the values of a quadratic; new axes, and what it promises."""
    x, numbers, n = plan.x, plan.numbers, len(plan.x)
    size, step, slopes = plan.scratch[:n], plan.scratch[2 * n : 3 * n], plan.scratch[3 * n : 4 * n]
    axes, H = plan.scratch[4 * n :], plan.scratch[4 * n + n * n :]
    L, values = plan.scratch[4 * n + 2 * n * n :], plan.scratch[4 * n + 3 * n * n :]
    numbers[FALLS] = numbers[BENDS] = numbers[LENGTH] = 0.0
    numbers[CONVEX], numbers[SHARE], numbers[VAIN], numbers[BLIND] = 1.0, 1.0, 0.0, 0.0
    width = min(numbers[ERROR] ** 0.25, WIDEST)
    least = max(NOISE * width**2, 4.0 * numbers[ERROR])
    for i in range(n):
        size[i] = max(size[i], abs(x[i]))
        step[i] = 0.0
    for i in range(n):
        up, down = values[i], values[n + i]
        slopes[i], bend = 0.5 * (up - down), up - 2.0 * numbers[BEST] + down
        axis = axes[i * n : (i + 1) * n]
        for j in range(i):  # H = LDL', and axes that are conjugate in it
            entry = values[2 * n + i * (i - 1) // 2 + j] - up - values[j] + numbers[BEST]
            for k in range(j):
                entry -= L[i * n + k] * H[j * n + k]
            share = entry / H[j * n + j] if abs(H[j * n + j]) > least else 0.0
            H[i * n + j], L[i * n + j] = entry, share
            bend -= share * entry
            slopes[i] -= share * slopes[j]
            _add(axes[j * n : (j + 1) * n], -share, axis)
        H[i * n + i] = bend
    for i in range(n):
        axis, bend, slope = axes[i * n : (i + 1) * n], H[i * n + i], slopes[i]
        if abs(bend) < least and _lengthen(axis, size):
            numbers[BLIND] = 1.0
        length, strength = _length(axis, size), max(abs(bend), least)
        along = -slope / strength
        if bend < min(FLAT * width**2, -least):
            away = 0.5 * numbers[RADIUS] / length
            along = math.copysign(max(abs(along), away), along)
        if not bend > 0.0:
            numbers[CONVEX] = 0.0
        numbers[FALLS] -= slope * along
        numbers[BENDS] += bend * along * along
        _add(axis, along, step)
        factor = min(width / math.sqrt(strength), LONGEST / length)
        for k in range(n):
            axis[k] *= factor
    numbers[LENGTH] = _length(step, size)
    if numbers[LENGTH] > numbers[RADIUS]:
        numbers[SHARE] = numbers[RADIUS] / numbers[LENGTH]


@jit
def _lengthen(axis, size):
    """Let an axis grow along which differences drown in rounding; whether it can.

    A scale of zero does not tell how large it would have to be in order to matter: beside one of
    1000 that may be 100. None needs to be larger than the largest.
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
def _promised(plan):
    """By how much the objective should fall by the step, and by how much it is worth while."""
    numbers = plan.numbers
    share = numbers[SHARE]
    promised = share * numbers[FALLS] - 0.5 * share * share * numbers[BENDS]
    return promised, max(numbers[FTOL_ABS], numbers[FTOL_REL] * abs(numbers[BEST]))


@jit
def _judge(f, plan):
    """Accept a step or shorten it; how the search ends, if it does."""
    numbers, n = plan.numbers, len(plan.x)
    promised, tolerance = _promised(plan)
    fall, went = numbers[BEST] - f, numbers[SHARE] * numbers[LENGTH]
    if not promised > tolerance:
        return CONVERGED
    # With a third derivative t a Newton step s falls short of its promise by a term in ts³, and
    # leaves a slope of ts²/2, which promises about the square of that term over the fall.
    foretold = (fall - promised) ** 2 < WORTHWHILE * tolerance * promised
    if foretold and numbers[SHARE] == 1.0 and numbers[CONVEX] > 0.0:
        return CONVERGED
    if fall < 0.25 * promised:
        numbers[RADIUS] = 0.5 * went
    elif fall > 0.75 * promised:
        numbers[RADIUS] = max(numbers[RADIUS], 2.5 * went)
    if fall > 0.0:
        copy(plan.scratch[n : 2 * n], plan.x)
        numbers[BEST], numbers[PHASE] = f, QUADRATIC
        return GOING_ON
    if went < SMALLEST or promised < numbers[ERROR]:
        return ROUNDOFF
    numbers[SHARE] *= 0.25
    numbers[VAIN] += 1.0
    if numbers[VAIN] > SHORTER:
        numbers[PHASE] = QUADRATIC
    return GOING_ON


@jit
def _add(step, share, at):
    """at += share step."""
    for k in range(len(at)):
        at[k] += share * step[k]


@jit
def _length(step, size):
    """Length of a step in shares of the coordinates' sizes."""
    length = 0.0
    for k in range(len(step)):
        length = max(length, abs(step[k]) / size[k])
    return length


class Search:
    """Such a search, for whoever leads it; see `numbamm.optimize.protocol.OwnSearch`.

    Parameters
    ----------
    plan : Plan
    arguments : tuple
        Those of `objective` between θ and the plan.
    """

    gradient_norm = math.nan

    def __init__(self, plan: Plan, arguments: tuple) -> None:
        self._plan, self._arguments = plan, arguments
        self.fbest = math.inf

    @property
    def returnvalue(self) -> str | None:
        """How the search ended; None while there is more to do."""
        return ENDS.get(float(self._plan.numbers[CODE]))

    def step(self, most: float) -> list[tuple[np.ndarray, float]]:
        """Up to `most` evaluations: θ, and the objective there."""
        n, numbers = len(self._plan.x), self._plan.numbers
        plan = self._plan._replace(log=np.empty((int(min(most, CHUNK)), 1 + n)))
        numbers[FEVAL], numbers[CODE] = 0.0, GOING_ON
        objective(np.empty(n), *self._arguments, plan)
        log = plan.log[: int(numbers[FEVAL])]
        values = log[:, 0].tolist()
        self.fbest = float(numbers[BEST])
        return list(zip(log[:, 1:], values, strict=True))
