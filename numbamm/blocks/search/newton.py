"""The whole fit of a linear model: search, certificate, and the way out of a false optimum.

Up to `MANY` parameters each step minimises, in a trust region, a quadratic with the exact gradient
and average information + I ⊗ 2N as its Hessian; with more, L-BFGS. Parameters are unbounded, since
a bound at 0 would hold on to stationary points that are no minima, and scaled to the columns of Z;
signs are put right by the caller. When a search ends at a singular λ whose certificate is
negative, it goes on from a point beside it.

The trust region moves all entries of λ, also those above the diagonal (of every block, where the
template consists of some), and then rotates the columns back to triangular form. In the triangle
alone there are curved valleys, where the leading entry of λ nearly vanishes and λλ' hardly changes
along an arc, through which a search would creep.

One compiled call fits a model, without the GIL, so that threads refit in parallel; or the same
loop runs one evaluation at a time, for a caller that wants to look between them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numbamm.blocks.cholesky import criterion, factorize
from numbamm.blocks.gradient import differentiate, evaluate
from numbamm.blocks.information import complete_normal, curvature, parameters, square_blocks
from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import INDEX, INTEGER, MATRIX, NOTHING, NUMBER, REALS, TABLE, record
from numbamm.blocks.layout import GRADIENT, LAMBDA, MOVED, THETA, P
from numbamm.blocks.search import lbfgs, trust
from numbamm.blocks.search.certificate import (
    ESCAPE_BELOW,
    certify,
    column_sizes,
    is_singular,
    leave,
)
from numbamm.blocks.search.trust import CONVERGED, DIFFERENTIATE, EVALUATE, FAILED, FBEST, ROUNDOFF
from numbamm.blocks.vectors import copy, dot, scale

#: With more parameters than this, L-BFGS.
MANY = 150
#: How often a false optimum is left, and the first and the last steps that are tried, in columns
#: of size one.
ESCAPES, FAR, NEAR = 10, 0.3, 1e-3

#: Evaluations of a fit that is to end by itself.
UNLIMITED = 2**62

#: How a search ends. Its code is EVALUATE while there is more to do.
ENDS = {CONVERGED: "CONVERGED", ROUNDOFF: "ROUNDOFF_LIMITED", FAILED: "FAILURE"}

# Positions in `Search.control`: code, evaluations, certificate and length of the gradient in θ at
# the end, false optima left, how far from one, and how the search ended that led there.
CODE, FEVAL, CERTIFICATE, NORM, ESCAPED, EPSILON, END = range(7)


class Model(NamedTuple):
    """What makes the objective: the arguments of `gradient.evaluate` besides θ."""

    table: np.ndarray
    index: np.ndarray
    A: np.ndarray
    work: np.ndarray
    adjoint: np.ndarray
    degrees: np.ndarray
    constant: float
    sigma: float


class Search(NamedTuple):
    """Where the search is, and how θ and the entries that it moves stand in λ.

    Attributes
    ----------
    theta : float64, shape (number of θ,)
        Evaluated last.
    scale : float64, shape (number of θ,)
        Sizes of the columns of Z.
    which, entries : int64, shape (4, ...)
        θ, and the entries of λ that are moved; see `information.parameters`.
    away : float64, shape (number of θ,)
        Direction out of a false optimum; see `certificate.certify`.
    control : float64, shape (7,)
    log : float64, shape (rows, 1 + number of θ)
        Filled with objective and θ of the evaluations, the latest in the place of the first where
        it is full; it may have no rows.
    """

    theta: np.ndarray
    scale: np.ndarray
    which: np.ndarray
    entries: np.ndarray
    away: np.ndarray
    control: np.ndarray
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
    **dict.fromkeys(("theta", "scale", "away", "control"), REALS),
    which=TABLE,
    entries=TABLE,
    log=MATRIX,
)


def fit(theta, model, ftol_abs, ftol_rel, most=UNLIMITED, nlog=0, many=False):
    """Fit a linear model.

    Parameters
    ----------
    theta : float64, shape (number of θ,)
        Where to start; holds the estimates afterwards, with whatever signs.
    model : Model
    ftol_abs, ftol_rel : float64
        The search ends when the objective promises to fall by no more, in its own units or
        relative to itself.
    most : int
        Most evaluations.
    nlog : int
        How many evaluations the log can take.
    many : bool
        By L-BFGS, as for more than `MANY` parameters.

    Returns
    -------
    float64
        The objective at the estimates.
    Search
        Its `control` and `log` tell how the fit went.
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
        """How the search ended; None while there is more to do."""
        return ENDS.get(int(self._search.control[CODE]))

    @property
    def fbest(self) -> float:
        """The lowest objective so far."""
        return float(self._state.numbers[FBEST])

    @property
    def gradient_norm(self) -> float:
        """Length of the gradient in θ where the search ended; NaN before, or if it took none."""
        return float(self._search.control[NORM])

    def step(self, most: float) -> list[tuple[np.ndarray, float]]:
        """One more evaluation: θ, and the objective there."""
        self._advance(self._state, self._search, self._model, 1)
        value, *theta = self._search.log[0]
        return [(np.array(theta), value)]


def start(theta, model, ftol_abs, ftol_rel, nlog=0, many=False) -> tuple:
    """A search, and its state, to be advanced.

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
    """Room for a search in n θ; see `start`.

    Arrays are made by Python, and kernels fill them: numba cannot box what a kernel returns when
    an interrupt arrives at that moment.
    """
    moved = n if many else int(model.table[0, MOVED])
    search = Search(
        theta=np.empty(n),
        scale=np.empty(n),
        which=np.empty((4, n), dtype=np.int64),
        entries=np.empty((4, moved), dtype=np.int64),
        away=np.empty(n),
        control=np.empty(7),
        log=np.empty((nlog, 1 + n)),
    )
    return search, (lbfgs if many else trust).allocate(moved)


@jit(takes=(REALS, trust.STATE, SEARCH, MODEL, NUMBER, NUMBER), gives=NOTHING)
def begin(theta, state, search, model, ftol_abs, ftol_rel):
    """Begin a search by `trust` at θ."""
    parameters(model.table, model.index, search.which)
    square_blocks(search.which, search.entries)
    _begin(theta, state, search, model)
    trust.begin(state, ftol_abs, ftol_rel)


@jit(takes=(REALS, lbfgs.STATE, SEARCH, MODEL, NUMBER, NUMBER))
def begin_many(theta, state, search, model, ftol_abs, ftol_rel):
    """Begin a search by `lbfgs` at θ."""
    parameters(model.table, model.index, search.which)
    for t in range(len(theta)):
        copy(search.which[:, t], search.entries[:, t])
    _begin(theta, state, search, model)
    lbfgs.begin(state, ftol_abs, ftol_rel, 1.0)


@jit
def _begin(theta, state, search, model):
    """What searches of both kinds begin with, once `which` and `entries` are filled."""
    column_sizes(model.table, model.A, search.which, model.degrees[0], search.scale)
    search.control[:] = 0.0
    search.control[CERTIFICATE], search.control[NORM] = np.inf, np.nan
    search.away[:] = 0.0
    copy(theta, search.theta)
    _unfold(theta, search.entries, state.x)
    entries, which = search.entries, search.which
    for i in range(len(state.x)):
        for t in range(which.shape[1]):
            if which[0, t] == entries[0, i] and which[1, t] == entries[1, i]:
                state.scale[i] = search.scale[which[3, t]]


@jit(takes=(trust.STATE, SEARCH, MODEL, INTEGER), gives=NOTHING, owns=True)
def advance(state, search, model, budget):
    """Go on with a search by `trust`, for up to `budget` evaluations."""
    fresh = False
    while search.control[CODE] == EVALUATE and budget > 0:
        budget -= 1
        leaving = search.control[EPSILON] > 0.0
        last = state.numbers[trust.PHASE] == trust.LAST and not leaving
        f = _evaluate(state, search, model, last)
        if search.control[EPSILON] > 0.0:
            if not _has_left(f, state, search):
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
    """Go on with a search by `lbfgs`, for up to `budget` evaluations."""
    while search.control[CODE] == EVALUATE and budget > 0:
        budget -= 1
        f = _evaluate(state, search, model, False)
        if search.control[EPSILON] > 0.0:
            if not _has_left(f, state, search):
                continue
            lbfgs.restart(state)
        if np.isfinite(f):
            _differentiate(state, search, model)
        action = lbfgs.advance(state, f)
        if action != EVALUATE:
            _conclude(action, f, f == state.numbers[FBEST], state, search, model)


@jit
def _evaluate(state, search, model, last):
    """The objective at the state's x, which is rotated to triangular form; noted in the log.

    The last one of a search leaves nothing for derivatives.
    """
    fold(state.x, search.entries, search.theta)
    f = _objective(search.theta, model) if last else _value(search.theta, model)
    if len(search.log) > 0:
        row = int(search.control[FEVAL]) % len(search.log)
        search.log[row, 0] = f
        copy(search.theta, search.log[row, 1:])
    search.control[FEVAL] += 1.0
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
    """The gradient in all entries that are moved."""
    table, entries, adjoint = model.table, search.entries, model.adjoint
    matrices = model.index, model.A, model.work, adjoint
    differentiate(table, *matrices, model.degrees, model.sigma, False)
    for i in range(len(state.g)):
        k = entries[0, i]
        at = table[0, GRADIENT] + table[1 + k, LAMBDA]
        state.g[i] = adjoint[at + entries[1, i] * table[1 + k, P] + entries[2, i]] / state.scale[i]


@jit
def _scale(state):
    """H of the scaled parameters."""
    for i in range(len(state.x)):
        for j in range(len(state.x)):
            state.H[i, j] /= state.scale[i] * state.scale[j]


@jit(owns=True)
def _hold_rotations(state, search):
    """Give H a large curvature along rotations of λ's columns, which leave λλ' alone, and no other.

    To first order such a rotation moves column i by column j and column j by minus column i.
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
    """v less its components along a basis, of length one; False if nothing is left."""
    before = math.sqrt(dot(v, v))
    for _ in range(2):  # twice is enough
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


# ---- the end of a search, and what may follow ---------------------------------------------


@jit
def _conclude(action, f, fresh, state, search, model):
    """A search has ended with the value f last. If its certificate is negative, it goes on aside.

    `fresh` says that derivatives at the best point are at hand; the factor is, if f is the best,
    and it is afterwards in any case. A regular λ needs no derivatives.
    """
    control = search.control
    if action == FAILED:
        control[CODE] = FAILED
        return
    if f != state.numbers[FBEST]:
        fold(state.best, search.entries, search.theta)
        _objective(search.theta, model)
        fresh = False
    singular = is_singular(model.table, model.work, search.which, search.scale)
    if singular and not fresh:
        _value(search.theta, model)
        _differentiate(state, search, model)
    control[NORM] = _gradient_norm(search, model) if singular or fresh else np.nan
    control[CERTIFICATE] = np.inf
    if singular:
        complete_normal(model.table, model.work, model.adjoint)
        control[CERTIFICATE] = certify(
            model.table, model.work, model.adjoint, search.which, search.scale, False, search.away
        )
    if control[CERTIFICATE] < ESCAPE_BELOW and control[ESCAPED] < ESCAPES:
        control[END], control[EPSILON] = action, FAR
        _step_aside(state, search)
    else:
        control[CODE] = action


@jit
def _gradient_norm(search, model):
    """Length of the gradient in θ, where derivatives have been taken."""
    places = model.index[model.table[0, THETA] : model.table[0, THETA] + len(search.theta)]
    total = 0.0
    for place in places:
        total += model.adjoint[model.table[0, GRADIENT] + place] ** 2
    return math.sqrt(total)


@jit
def _step_aside(state, search):
    """x beside the best point, a false optimum."""
    fold(state.best, search.entries, search.theta)
    leave(search.theta, search.away, search.control[EPSILON], search.which)
    _unfold(search.theta, search.entries, state.x)


@jit
def _has_left(f, state, search):
    """Whether the objective is lower beside a false optimum; if not, x is moved nearer to it."""
    control = search.control
    if f < state.numbers[FBEST] - trust.tolerance(state):
        control[EPSILON] = 0.0
        control[ESCAPED] += 1.0
        control[NORM] = np.nan
        return True
    control[EPSILON] *= 0.25
    if control[EPSILON] < NEAR:  # nothing to gain after all
        copy(state.best, state.x)
        control[CODE] = control[END]
    else:
        _step_aside(state, search)
    return False


# ---- θ, and λ in square blocks ------------------------------------------------------------


@jit
def _unfold(theta, entries, x):
    for i in range(len(x)):
        x[i] = theta[entries[3, i]] if entries[3, i] >= 0 else 0.0


@jit(takes=(REALS, TABLE, REALS))
def fold(x, entries, theta):
    """Rotate the columns of every block of λ until it is lower triangular; θ is filled."""
    for i in range(len(x)):
        k, row, other = entries[0, i], entries[1, i], entries[2, i]
        if row < other and x[i] != 0.0:  # these come row by row
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
