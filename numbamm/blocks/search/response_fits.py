"""The fits of one design to many responses, in one compiled loop.

All fits share [Z X]'[Z X]; a response changes only the last row of A. Each is fitted from given
starts, of which the lowest end is kept, and then by Newton steps with the exact Hessian until
rounding errors are left. One call fits a batch without the GIL, so that threads, each with its own
buffers, run in parallel.

With F'' the second derivatives in λλ' (see `second_derivatives`), J those of λλ' by λ, and N the
derivative by λλ', the Hessian in the entries of λ is J'F''J + I ⊗ 2N, at a singular λ as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.types import Tuple

from numbamm.blocks.cholesky import DEGREES
from numbamm.blocks.eigen import eigh
from numbamm.blocks.information import curvature
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import FLAG, INTEGERS, LEVELS, MATRIX, NUMBER, REALS, record
from numbamm.blocks.layout import LAMBDA, NORMAL, NX, ORDER, TAIL, P
from numbamm.blocks.normal import complete_normal
from numbamm.blocks.search import trust
from numbamm.blocks.search.communication import FAILED, FBEST, FTOL_ABS, FTOL_REL
from numbamm.blocks.search.evaluation import (
    CERTIFICATE,
    CODE,
    FEVAL,
    MODEL,
    SEARCH,
    Model,
    differentiate,
    objective,
    value,
)
from numbamm.blocks.search.newton import UNLIMITED, advance
from numbamm.blocks.search.response_norm import vector_length
from numbamm.blocks.search.response_rows import load_response
from numbamm.blocks.search.rotations import fold, hold_rotations, unfold
from numbamm.blocks.second_derivatives import (
    COMPONENTS,
    SECOND,
    fill_products,
    fill_residuals,
    second_derivatives,
)
from numbamm.blocks.solve import solve
from numbamm.blocks.vectors import copy, dot

# Columns of `Ends.numbers`: the objective without its constant, the square root of r², the
# certificate, how the search ended, and the number of evaluations.
OBJECTIVE, NORM, CERTIFIED, ENDED, EVALUATIONS = range(5)

#: At most so many Newton steps from the end of a search; none where the predicted decrease is at
#: most LEAST, and the last one where it is at most ENOUGH: what it leaves is rounding. By average
#: information, which is for heavy models, the last one is where it is at most NEARLY.
MOST_STEPS, LEAST, ENOUGH, NEARLY = 6, 1e-19, 1e-15, 1e-11
#: Eigenvalues of the Hessian below this share of the largest are those of no direction.
FLAT = 1e-9
#: A θ on the diagonal of λ below the first is zero where the objective rises by no more than the
#: second. See `optimize.zeros` and `optimize.run`.
NEAR_ZERO, RISE = 1e-3, 1e-7


class Ends(NamedTuple):
    """Where the searches of a batch ended, a line for each response.

    Attributes
    ----------
    thetas : float64, shape (responses, number of θ)
        Columns of λ may have either sign.
    gammas : float64, shape (responses, nx)
        Coefficients of the columns of X.
    numbers : float64, shape (responses, 5)
        See the module's constants.
    factors : float64, shape (responses, nx * nx)
        L_X, lower triangular, row by row.
    traces, expected, squares, first, slopes : float64, shape (responses, ...)
        See `second_derivatives.Second`; without columns if they are not wanted.
    """

    thetas: np.ndarray
    gammas: np.ndarray
    numbers: np.ndarray
    factors: np.ndarray
    traces: np.ndarray
    expected: np.ndarray
    squares: np.ndarray
    first: np.ndarray
    slopes: np.ndarray


ENDS = record(Ends, **dict.fromkeys(Ends._fields, MATRIX))


@jit(
    takes=(
        *(MATRIX, MATRIX, INTEGERS, REALS, MODEL, SEARCH, trust.STATE, COMPONENTS),
        *(Tuple((LEVELS, MATRIX, MATRIX, LEVELS)), MATRIX, MATRIX, NUMBER, NUMBER),
        *(MATRIX, INTEGERS, SECOND, FLAG, FLAG, ENDS),
    ),
    owns=True,
)
def fit_responses(
    y,
    kept,
    pattern,
    sigmas,
    arrays,
    search,
    state,
    parts,
    rows,
    z,
    xy,
    ftol_abs,
    ftol_rel,
    starts,
    counts,
    second,
    wanted,
    exact,
    ends,
):
    """Fit a batch of responses.

    Parameters
    ----------
    y : float64, shape (responses, n)
        The responses, times the square root of the weights; zero where a row is missing.
    kept : float64, shape (patterns, n)
        For each pattern of missing values, 1 for rows that there are, else 0.
    pattern : int64, shape (responses,)
        The pattern of each response.
    sigmas : float64, shape (responses,)
        The residual standard deviation of each response, if it is given; else 0.
    arrays : evaluation.Model
        Its A and `degrees` are overwritten.
    search, state
        From `newton.allocate`; overwritten.
    parts : second_derivatives.Components
    rows : tuple of refs, z, xy, places
        As for `crossprod.crossprod`; only read.
    z, xy : float64
        Buffers of the same shapes.
    ftol_abs, ftol_rel : float64
        See `newton.fit`.
    starts : float64, shape (responses * most, number of θ)
        Where the searches of each response begin, in lines of equal number for each.
    counts : int64, shape (responses,)
        How many of these lines are starts.
    second : second_derivatives.Second
        Buffers.
    wanted : bool
        Whether `ends` receives second derivatives.
    exact : bool
        Whether the last steps are by exact second derivatives, or by average information.
    ends : Ends
        Filled.
    """
    table, index = arrays.table, arrays.index
    nx, nθ = table[0, NX], len(search.theta)
    length = vector_length(table)
    u, b = np.zeros(length), np.zeros(length)
    best, found, step = np.empty(nθ), np.empty(nθ), np.empty(len(state.x))
    most = len(starts) // max(len(y), 1)
    for i in range(len(y)):
        model = Model(
            table,
            index,
            arrays.A,
            arrays.work,
            arrays.adjoint,
            arrays.degrees,
            arrays.constant,
            sigmas[i],
        )
        if load_response(i, y, kept, pattern, model, rows, z, xy) and (wanted or exact):
            fill_products(table, z, xy, parts)
        numbers = ends.numbers[i]
        numbers[OBJECTIVE], numbers[ENDED], numbers[EVALUATIONS] = np.inf, FAILED, 0.0
        numbers[CERTIFIED] = np.inf
        for j in range(counts[i]):
            copy(starts[i * most + j], search.theta)
            state.numbers[FTOL_ABS], state.numbers[FTOL_REL] = ftol_abs, ftol_rel
            _search(state, search, model, numbers, best)
        if numbers[ENDED] == FAILED:
            continue
        copy(best, found)
        fresh = _finish(best, step, u, b, state, search, model, parts, z, xy, second, exact)
        if not objective(best, model) < numbers[OBJECTIVE] + RISE:  # the steps led astray
            copy(found, best)
            fresh = False
        if _zeros(best, search, model):
            fresh = False
        if wanted and not fresh:
            objective(best, model)
            _second(u, b, search, model, parts, z, xy, second)
        numbers[OBJECTIVE] = objective(best, model)
        solve(table, index, model.work, u, b)
        copy(best, ends.thetas[i])
        copy(u[len(u) - 1 - nx : len(u) - 1], ends.gammas[i])
        _store_factor(table, model.work, numbers, ends.factors[i])
        if wanted:
            _store_second(i, second, ends)


@jit
def _search(state, search, model, numbers, best):
    """Search from `search.theta`; the end is kept if it is the lowest so far."""
    search.counts[FEVAL] = 0
    advance(state, search, model, UNLIMITED)
    numbers[EVALUATIONS] += search.counts[FEVAL]
    if search.counts[CODE] != FAILED and state.numbers[FBEST] < numbers[OBJECTIVE]:
        numbers[OBJECTIVE], numbers[ENDED] = state.numbers[FBEST], search.counts[CODE]
        numbers[CERTIFIED] = search.outcome[CERTIFICATE]
        fold(state.best, search.entries, best)


@jit
def _store_factor(table, work, numbers, factor):
    """Keep √r² and L_X, from the end of the factor of the tail."""
    m, nx, tail = table[0, ORDER], table[0, NX], table[0, TAIL]
    first = m - 1 - nx
    numbers[NORM] = work[tail + m * m - 1]
    for r in range(nx):
        for c in range(nx):
            factor[r * nx + c] = work[tail + (first + c) * m + first + r] if c <= r else 0.0


@jit
def _store_second(i, second, ends):
    """Keep the second derivatives of response i."""
    copy(second.traces.reshape(second.traces.size), ends.traces[i])
    copy(second.expected.reshape(second.expected.size), ends.expected[i])
    copy(second.squares.reshape(second.squares.size), ends.squares[i])
    copy(second.first.reshape(second.first.size), ends.first[i])
    copy(second.slopes, ends.slopes[i])


@jit
def _finish(theta, step, u, b, state, search, model, parts, z, xy, second, exact):
    """Newton steps from the end of a search, until rounding errors are left.

    A step is taken without a look at the objective, whose rounding errors are larger than what is
    still to be gained; it ends where steps do not become shorter. Returns whether `second` is that
    of a point from which what is left to go is rounding.
    """
    table, n, fresh = model.table, len(state.x), False
    unfold(theta, search.entries, state.x)
    last = np.inf
    for _ in range(MOST_STEPS):
        value(theta, model)
        differentiate(state, search, model)
        if exact:
            complete_normal(table, model.work, model.adjoint)
            _second(u, b, search, model, parts, z, xy, second)
            _hessian(search, model, second, state.H)
            fresh = True
        else:
            curvature(
                *(table, model.index, model.A, model.work, model.adjoint),
                *(model.degrees, model.sigma, search.entries, state.H),
            )
        for i in range(n):
            for j in range(n):
                state.H[i, j] /= state.scale[i] * state.scale[j]
        copy(state.x, state.best)
        hold_rotations(state, search)
        predicted = _step(state, step)
        if not LEAST < predicted < 0.25 * last:
            break
        for i in range(n):
            state.x[i] += step[i] / state.scale[i]
        fold(state.x, search.entries, theta)
        unfold(theta, search.entries, state.x)
        last = predicted
        if predicted <= (ENOUGH if exact else NEARLY):
            break
        fresh = False
    return fresh


@jit
def _step(state, step):
    """Fill the Newton step in scaled parameters; returns half of what it gains."""
    n = len(state.x)
    if not eigh(state.H.reshape(state.H.size), n, state.values, state.work):
        return np.nan
    largest = predicted = 0.0
    for i in range(n):
        largest = max(largest, abs(state.values[i]))
        step[i] = 0.0
    for i in range(n):
        if state.values[i] <= FLAT * largest:
            continue
        along = -dot(state.H[i], state.g) / state.values[i]
        predicted += 0.5 * along * along * state.values[i]
        for j in range(n):
            step[j] += along * state.H[i, j]
    return predicted


@jit
def _second(u, b, search, model, parts, z, xy, second):
    """The second derivatives at the factor in the buffers."""
    table, m, nx = model.table, model.table[0, ORDER], model.table[0, NX]
    solve(table, model.index, model.work, u, b)
    fill_residuals(table, z, xy, u[len(u) - 1 - nx :], parts)
    sigma = model.sigma
    if sigma == 0.0:
        sigma = model.work[table[0, TAIL] + m * m - 1] / np.sqrt(model.degrees[DEGREES])
    theta_index = search.theta_index
    second_derivatives(table, model.work, model.degrees, sigma, theta_index, parts, second)


@jit
def _hessian(search, model, second, H):
    """J'F''J + I ⊗ 2N in the entries of λ that the search moves, with σ² profiled out."""
    table, entries, theta_index = model.table, search.entries, search.theta_index
    work, adjoint, d = model.work, model.adjoint, model.degrees[DEGREES]
    n, nθ = entries.shape[1], theta_index.shape[1]
    for x in range(n):
        for y in range(x + 1):
            total = 0.0
            for t in range(nθ):
                left = _change(t, x, table, work, entries, theta_index)
                if left == 0.0:
                    continue
                a = 1 + theta_index[3, t]
                for s in range(nθ):
                    right = _change(s, y, table, work, entries, theta_index)
                    if right != 0.0:
                        b = 1 + theta_index[3, s]
                        value = 2.0 * second.squares[a, b] - second.expected[a, b]
                        if model.sigma == 0.0:
                            value -= second.squares[0, a] * second.squares[0, b] / d
                        total += left * right * value
            if entries[0, x] == entries[0, y] and entries[2, x] == entries[2, y]:
                k = entries[0, x]
                N = adjoint[table[0, NORMAL] + table[1 + k, LAMBDA] :]
                total += 2.0 * N[entries[1, x] * table[1 + k, P] + entries[1, y]]
            H[x, y] = H[y, x] = total


@jit
def _change(t, x, table, work, entries, theta_index):
    """The derivative of the entry of λλ' at the place of θ t, by entry x of λ."""
    k, row, column = entries[0, x], entries[1, x], entries[2, x]
    if theta_index[0, t] != k:
        return 0.0
    a, b, p = theta_index[1, t], theta_index[2, t], table[1 + k, P]
    lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
    total = 0.0
    if a == row:
        total += lam[b * p + column]
    if b == row:
        total += lam[a * p + column]
    return total


@jit
def _zeros(theta, search, model):
    """Set scales near zero to zero where the objective hardly rises; returns whether any is."""
    changed, f = False, np.nan
    for t in range(len(theta)):
        place, kept = search.theta_index[3, t], theta[search.theta_index[3, t]]
        if search.theta_index[1, t] != search.theta_index[2, t]:
            continue
        if kept == 0.0 or not abs(kept) < NEAR_ZERO:
            continue
        if not np.isfinite(f):
            f = objective(theta, model)
        theta[place] = 0.0
        there = objective(theta, model)
        if there <= f + RISE:
            changed, f = True, there
        else:
            theta[place] = kept
    return changed
