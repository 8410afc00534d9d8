"""The whole fit of a linear model: the search, its certificate, and escapes from false optima.

With up to `MANY` parameters, each step minimises a quadratic model of the objective in a trust
region; its gradient is exact, and its Hessian is the average information + I ⊗ 2N. With more
parameters the search is by L-BFGS. Parameters are scaled to the columns of Z, and unbounded: with
a bound at 0 a search could end at a stationary point that is no minimum. The caller normalises the
signs of λ. If a search ends at a singular λ with a negative certificate, it restarts from a point
along the escape direction, where the objective is lower.

The trust region moves all entries of each block of λ, those above the diagonal included, and then
rotates the columns back to triangular form. The lower triangle alone has curved valleys: where the
leading entry of λ is almost zero, λλ' hardly changes along an arc, and steps would be tiny.

One compiled call fits a model without the GIL, so that threads refit in parallel. `StepwiseFit`
runs the same loop one evaluation at a time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numbamm.blocks.cholesky import criterion, factorize
from numbamm.blocks.gradient import differentiate, evaluate
from numbamm.blocks.information import complete_normal, curvature, parameters, square_blocks
from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import (
    INDEX,
    INTEGER,
    INTEGERS,
    MATRIX,
    NOTHING,
    NUMBER,
    REALS,
    TABLE,
    record,
)
from numbamm.blocks.layout import GRADIENT, LAMBDA, MOVED, THETA, P
from numbamm.blocks.search import lbfgs, trust
from numbamm.blocks.search.certificate import (
    ESCAPE_BELOW,
    add_direction,
    certify,
    column_sizes,
    is_singular,
)
from numbamm.blocks.search.trust import CONVERGED, DIFFERENTIATE, EVALUATE, FAILED, FBEST, ROUNDOFF
from numbamm.blocks.vectors import copy, dot, scale

#: With more parameters than this the search is by L-BFGS.
MANY = 150
#: Escapes from false optima are at most this many. An escape starts at the largest distance along
#: the escape direction and is given up below the smallest, in columns with root mean square 1.
ESCAPES, LARGEST_DISTANCE, SMALLEST_DISTANCE = 10, 0.3, 1e-3

#: Number of evaluations of a fit without a limit.
UNLIMITED = 2**62

#: Return codes of a search. Its code is EVALUATE until it has ended.
ENDS = {CONVERGED: "CONVERGED", ROUNDOFF: "ROUNDOFF_LIMITED", FAILED: "FAILURE"}

# Positions in `Search.counts`: code of the search, number of evaluations, number of escapes from
# false optima, and the code with which the search ended at the last false optimum.
CODE, FEVAL, ESCAPED, END = range(4)
# Positions in `Search.outcome`: certificate, length of the gradient in θ at the end, and the
# distance from a false optimum during an escape, otherwise 0.
CERTIFICATE, NORM, DISTANCE = range(3)


class Model(NamedTuple):
    """The arguments of `gradient.evaluate` other than θ."""

    table: np.ndarray
    index: np.ndarray
    A: np.ndarray
    work: np.ndarray
    adjoint: np.ndarray
    degrees: np.ndarray
    constant: float
    sigma: float


class Search(NamedTuple):
    """State of a search, except for what `trust` or `lbfgs` keeps.

    Attributes
    ----------
    theta : float64, shape (number of θ,)
        θ of the latest evaluation.
    scale : float64, shape (number of θ,)
        Root mean squares of the columns of Z; see `certificate.column_sizes`.
    theta_index, entries : int64, shape (4, ...)
        Positions in λ of θ, and of all entries of λ that the search moves; see
        `information.parameters`.
    direction : float64, shape (number of θ,)
        Escape direction at a false optimum; see `certificate.certify`.
    counts : int64, shape (4,)
        `CODE`, `FEVAL`, `ESCAPED`, `END`.
    outcome : float64, shape (3,)
        `CERTIFICATE`, `NORM`, `DISTANCE`.
    log : float64, shape (rows, 1 + number of θ)
        Objective and θ of each evaluation. A full log is overwritten from its first row on; it may
        have no rows.
    """

    theta: np.ndarray
    scale: np.ndarray
    theta_index: np.ndarray
    entries: np.ndarray
    direction: np.ndarray
    counts: np.ndarray
    outcome: np.ndarray
    log: np.ndarray


MODEL = record(
    Model,
    table=TABLE,
    index=INDEX,
    **dict.fromkeys(("A", "work", "adjoint", "degrees"), REALS),
    constant=NUMBER,
    sigma=NUMBER,
)
SEARCH = record(
    Search,
    **dict.fromkeys(("theta", "scale", "direction", "outcome"), REALS),
    counts=INTEGERS,
    theta_index=TABLE,
    entries=TABLE,
    log=MATRIX,
)


def fit(theta, model, ftol_abs, ftol_rel, most=UNLIMITED, nlog=0, many=False):
    """Fit a linear model.

    Parameters
    ----------
    theta : float64, shape (number of θ,)
        The start; overwritten with the estimates, whose columns of λ may have either sign.
    model : Model
    ftol_abs, ftol_rel : float64
        The search ends when the predicted decrease of the objective is at most this, absolutely or
        relative to the objective.
    most : int
        Largest number of evaluations.
    nlog : int
        Number of rows of the log.
    many : bool
        Search by L-BFGS, as for more than `MANY` parameters.

    Returns
    -------
    float64
        The objective at the estimates.
    Search
        Its `counts`, `outcome` and `log` describe how the fit went.
    """
    search, state = start(theta, model, ftol_abs, ftol_rel, nlog, many)
    (advance_many if many else advance)(state, search, model, most)
    fold(state.best, search.entries, theta)
    return state.numbers[FBEST], search


class StepwiseFit:
    """The same fit, one evaluation at a time.

    Parameters
    ----------
    theta, model, ftol_abs, ftol_rel
        As for `fit`.
    """

    def __init__(self, theta, model, ftol_abs, ftol_rel) -> None:
        many = len(theta) > MANY
        self._model, self._advance = model, advance_many if many else advance
        self._search, self._state = start(theta, model, ftol_abs, ftol_rel, 1, many)

    @property
    def returnvalue(self) -> str | None:
        """How the search ended; None until then."""
        return ENDS.get(int(self._search.counts[CODE]))

    @property
    def fbest(self) -> float:
        """The lowest objective so far."""
        return float(self._state.numbers[FBEST])

    @property
    def gradient_norm(self) -> float:
        """Length of the gradient in θ at the end; NaN before, or if it was not computed there."""
        return float(self._search.outcome[NORM])

    def step(self, most: float) -> list[tuple[np.ndarray, float]]:
        """One more evaluation: θ, and the objective there."""
        self._advance(self._state, self._search, self._model, 1)
        value, *theta = self._search.log[0]
        return [(np.array(theta), value)]


def start(theta, model, ftol_abs, ftol_rel, nlog=0, many=False) -> tuple:
    """A new search and its state, ready for `advance` or `advance_many`.

    Parameters
    ----------
    theta, model, ftol_abs, ftol_rel, nlog, many
        As for `fit`.

    Returns
    -------
    Search
    trust.State or lbfgs.State
    """
    search, state = allocate(model, len(theta), nlog, many)
    (begin_many if many else begin)(theta, state, search, model, float(ftol_abs), float(ftol_rel))
    return search, state


def allocate(model, n: int, nlog=0, many=False) -> tuple:
    """Allocate the arrays of a search in n parameters; see `start`.

    Python allocates the arrays and kernels fill them, because numba fails to box the arrays that a
    kernel returns if an interrupt arrives at that moment.
    """
    moved = n if many else int(model.table[0, MOVED])
    search = Search(
        theta=np.empty(n),
        scale=np.empty(n),
        theta_index=np.empty((4, n), dtype=np.int64),
        entries=np.empty((4, moved), dtype=np.int64),
        direction=np.empty(n),
        counts=np.empty(4, dtype=np.int64),
        outcome=np.empty(3),
        log=np.empty((nlog, 1 + n)),
    )
    return search, (lbfgs if many else trust).allocate(moved)


@jit(takes=(REALS, trust.STATE, SEARCH, MODEL, NUMBER, NUMBER), gives=NOTHING)
def begin(theta, state, search, model, ftol_abs, ftol_rel):
    """Begin a search by `trust` at θ."""
    parameters(model.table, model.index, search.theta_index)
    square_blocks(search.theta_index, search.entries)
    _begin(theta, state, search, model)
    trust.begin(state, ftol_abs, ftol_rel)


@jit(takes=(REALS, lbfgs.STATE, SEARCH, MODEL, NUMBER, NUMBER))
def begin_many(theta, state, search, model, ftol_abs, ftol_rel):
    """Begin a search by `lbfgs` at θ."""
    parameters(model.table, model.index, search.theta_index)
    for t in range(len(theta)):
        copy(search.theta_index[:, t], search.entries[:, t])
    _begin(theta, state, search, model)
    lbfgs.begin(state, ftol_abs, ftol_rel, 1.0)


@jit
def _begin(theta, state, search, model):
    """Initialise a search of either kind after `theta_index` and `entries` are filled."""
    column_sizes(model.table, model.A, search.theta_index, model.degrees[0], search.scale)
    search.counts[:] = 0
    search.outcome[CERTIFICATE], search.outcome[NORM] = np.inf, np.nan
    search.outcome[DISTANCE] = 0.0
    search.direction[:] = 0.0
    copy(theta, search.theta)
    _unfold(theta, search.entries, state.x)
    entries, theta_index = search.entries, search.theta_index
    for i in range(len(state.x)):
        for t in range(theta_index.shape[1]):
            if theta_index[0, t] == entries[0, i] and theta_index[1, t] == entries[1, i]:
                state.scale[i] = search.scale[theta_index[3, t]]


@jit(takes=(trust.STATE, SEARCH, MODEL, INTEGER), gives=NOTHING, owns=True)
def advance(state, search, model, budget):
    """Continue a search by `trust`, for up to `budget` evaluations."""
    fresh = False
    while search.counts[CODE] == EVALUATE and budget > 0:
        budget -= 1
        escaping = search.outcome[DISTANCE] > 0.0
        last = state.counts[trust.PHASE] == trust.LAST and not escaping
        f = _evaluate(state, search, model, last)
        if escaping:
            if not _has_escaped(f, state, search):
                continue
            trust.restart(state)
        action = trust.advance(state, f)
        fresh = action == DIFFERENTIATE
        if fresh:
            _differentiate(state, search, model)
            curvature(
                model.table,
                model.index,
                model.A,
                model.work,
                model.adjoint,
                model.degrees,
                model.sigma,
                search.entries,
                state.H,
            )
            _scale(state)
            trust.correct(state)
            _hold_rotations(state, search)
            action = trust.advance(state, f)
        if action != EVALUATE:
            _conclude(action, f, fresh, state, search, model)


@jit(takes=(lbfgs.STATE, SEARCH, MODEL, INTEGER))
def advance_many(state, search, model, budget):
    """Continue a search by `lbfgs`, for up to `budget` evaluations."""
    while search.counts[CODE] == EVALUATE and budget > 0:
        budget -= 1
        f = _evaluate(state, search, model, False)
        if search.outcome[DISTANCE] > 0.0:
            if not _has_escaped(f, state, search):
                continue
            lbfgs.restart(state)
        if np.isfinite(f):
            _differentiate(state, search, model)
        action = lbfgs.advance(state, f)
        if action != EVALUATE:
            _conclude(action, f, f == state.numbers[FBEST], state, search, model)


@jit
def _evaluate(state, search, model, last):
    """Rotate the state's x to triangular form; return the objective there, and log it.

    At the last point of a search what derivatives need is not computed.
    """
    fold(state.x, search.entries, search.theta)
    f = _objective(search.theta, model) if last else _value(search.theta, model)
    if len(search.log) > 0:
        row = search.counts[FEVAL] % len(search.log)
        search.log[row, 0] = f
        copy(search.theta, search.log[row, 1:])
    search.counts[FEVAL] += 1
    return f


@jit
def _objective(theta, model):
    logdet = factorize(theta, model.table, model.index, model.A, model.work)
    return criterion(logdet, model.table, model.work, model.degrees, model.constant, model.sigma)


@jit
def _value(theta, model):
    return evaluate(
        theta,
        model.table,
        model.index,
        model.A,
        model.work,
        model.adjoint,
        model.degrees,
        model.constant,
        model.sigma,
    )


@jit
def _differentiate(state, search, model):
    """The gradient in the scaled entries of λ that the search moves."""
    table, entries, adjoint = model.table, search.entries, model.adjoint
    matrices = model.index, model.A, model.work, adjoint
    differentiate(table, *matrices, model.degrees, model.sigma, False)
    for i in range(len(state.g)):
        k = entries[0, i]
        at = table[0, GRADIENT] + table[1 + k, LAMBDA]
        state.g[i] = adjoint[at + entries[1, i] * table[1 + k, P] + entries[2, i]] / state.scale[i]


@jit
def _scale(state):
    """Change H from the entries of λ to the scaled entries."""
    for i in range(len(state.x)):
        for j in range(len(state.x)):
            state.H[i, j] /= state.scale[i] * state.scale[j]


@jit(owns=True)
def _hold_rotations(state, search):
    """Give H a large curvature along rotations of λ's columns, so that steps have no such part.

    Rotations do not change λλ'. To first order one adds column j to column i, and subtracts column
    i from column j.
    """
    n, entries = len(state.x), search.entries
    size, nrotation = 0.0, counter()
    for i in range(n):
        size = max(size, abs(state.H[i, i]))
    basis = np.empty((n, n))
    for a in range(n):
        row, other = entries[1, a], entries[2, a]
        if row >= other:
            continue
        v = basis[nrotation]
        v[:] = 0.0
        for i in range(n):
            for j in range(n):
                if (
                    entries[0, i] == entries[0, j] == entries[0, a]
                    and entries[1, i] == entries[1, j]
                    and entries[2, i] == row
                    and entries[2, j] == other
                ):
                    v[i] = -state.scale[j] * state.x[j]
                    v[j] = state.scale[i] * state.x[i]
        if _orthonormalize(v, basis, nrotation):
            nrotation += 1
    for a in range(nrotation):
        _hold(basis[a], size, state.H)


@jit
def _orthonormalize(v, basis, count):
    """Orthogonalise v against a basis and normalise it; False if v is in the basis's span."""
    before = math.sqrt(dot(v, v))
    for _ in range(2):  # the second pass removes the rounding errors of the first
        for a in range(count):
            along = dot(v, basis[a])
            for i in range(len(v)):
                v[i] -= along * basis[a, i]
    after = math.sqrt(dot(v, v))
    if not after > 1e-8 * before:
        return False
    scale(v, 1.0 / after)
    return True


@jit(owns=True)
def _hold(v, size, H):
    """H = P H P + size vv' with P = I - vv'."""
    n = len(v)
    Hv = np.empty(n)
    for i in range(n):
        Hv[i] = dot(H[i], v)
    inner = dot(Hv, v) + size
    for i in range(n):
        for j in range(n):
            H[i, j] += inner * v[i] * v[j] - Hv[i] * v[j] - v[i] * Hv[j]


# ---- the end of a search, and escapes from false optima -------------------------------------


@jit
def _conclude(action, f, fresh, state, search, model):
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
        _objective(search.theta, model)
        fresh = False
    singular = is_singular(model.table, model.work, search.theta_index, search.scale)
    if singular and not fresh:
        _value(search.theta, model)
        _differentiate(state, search, model)
    outcome[NORM] = _gradient_norm(search, model) if singular or fresh else np.nan
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
        _escape_start(state, search)
    else:
        counts[CODE] = action


@jit
def _gradient_norm(search, model):
    """Length of the gradient in θ, from the derivatives in `adjoint`."""
    places = model.index[model.table[0, THETA] : model.table[0, THETA] + len(search.theta)]
    total = 0.0
    for place in places:
        total += model.adjoint[model.table[0, GRADIENT] + place] ** 2
    return math.sqrt(total)


@jit
def _escape_start(state, search):
    """Move x from the best point, a false optimum, along the escape direction."""
    fold(state.best, search.entries, search.theta)
    add_direction(search.theta, search.direction, search.outcome[DISTANCE], search.theta_index)
    _unfold(search.theta, search.entries, state.x)


@jit
def _has_escaped(f, state, search):
    """Whether f is lower than at the false optimum; if not, the distance from it is reduced.

    If no distance gives a lower objective, the search ends at the false optimum.
    """
    counts, outcome = search.counts, search.outcome
    if f < state.numbers[FBEST] - trust.tolerance(state):
        outcome[DISTANCE] = 0.0
        counts[ESCAPED] += 1
        outcome[NORM] = np.nan
        return True
    outcome[DISTANCE] *= 0.25
    if outcome[DISTANCE] < SMALLEST_DISTANCE:
        copy(state.best, state.x)
        counts[CODE] = counts[END]
    else:
        _escape_start(state, search)
    return False


# ---- θ, and λ in square blocks ------------------------------------------------------------


@jit
def _unfold(theta, entries, x):
    for i in range(len(x)):
        x[i] = theta[entries[3, i]] if entries[3, i] >= 0 else 0.0


@jit(takes=(REALS, TABLE, REALS))
def fold(x, entries, theta):
    """Rotate the columns of every block of λ to lower triangular form, and fill θ from it."""
    for i in range(len(x)):
        k, row, other = entries[0, i], entries[1, i], entries[2, i]
        if row < other and x[i] != 0.0:  # above the diagonal; such entries come row by row
            for d in range(len(x)):
                if entries[0, d] == k and entries[1, d] == entries[2, d] == row:
                    _rotate(x, entries, k, row, other, x[d], x[i])
            x[i] = 0.0
    for i in range(len(x)):
        if entries[3, i] >= 0:
            theta[entries[3, i]] = x[i]


@jit
def _rotate(x, entries, k, column, other, kept, zeroed):
    """Turn two columns of λ_k so that (kept, zeroed) in one row becomes (r, 0)."""
    r = math.hypot(kept, zeroed)
    c, s = kept / r, zeroed / r
    for i in range(len(x)):
        if entries[0, i] == k and entries[2, i] == column:
            for j in range(len(x)):
                if entries[0, j] == k and entries[2, j] == other and entries[1, j] == entries[1, i]:
                    x[i], x[j] = c * x[i] + s * x[j], c * x[j] - s * x[i]
