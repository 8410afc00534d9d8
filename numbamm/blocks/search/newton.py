"""The whole fit of a linear model: the search, its certificate, and escapes from false optima.

With up to `MANY` parameters, each step minimises a quadratic model of the objective in a trust
region; its gradient is exact, and its Hessian is the average information + I ⊗ 2N. With more
parameters the search is by L-BFGS. Parameters are scaled to the columns of Z, and unbounded: with
a bound at 0 a search could end at a stationary point that is no minimum. The caller normalises the
signs of λ.

The trust region moves all entries of each block of λ, those above the diagonal included, and then
rotates the columns back to triangular form. The lower triangle alone has curved valleys: where the
leading entry of λ is almost zero, λλ' hardly changes along an arc, and steps would be tiny.

One compiled call fits a model without the GIL, so that threads refit in parallel. `StepwiseFit`
runs the same loop one evaluation at a time.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.cholesky import DEGREES
from numbamm.blocks.information import curvature, parameters, square_blocks
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGER, NOTHING
from numbamm.blocks.layout import MOVED
from numbamm.blocks.search import lbfgs, trust
from numbamm.blocks.search.certificate import column_sizes
from numbamm.blocks.search.communication import (
    CONVERGED,
    DIFFERENTIATE,
    EVALUATE,
    FAILED,
    FBEST,
    FTOL_ABS,
    FTOL_REL,
    LAST,
    PHASE,
    ROUNDOFF,
)
from numbamm.blocks.search.escapes import end_or_escape, has_escaped
from numbamm.blocks.search.evaluation import (
    CERTIFICATE,
    CODE,
    DISTANCE,
    FEVAL,
    MODEL,
    NORM,
    SEARCH,
    Search,
    differentiate,
    next_value,
)
from numbamm.blocks.search.rotations import fold, hold_rotations, unfold
from numbamm.blocks.vectors import copy

#: With more parameters than this the search is by L-BFGS.
MANY = 150
#: Number of evaluations of a fit without a limit.
UNLIMITED = 2**62

#: Return codes of a search. Its code is EVALUATE until it has ended.
ENDS = {CONVERGED: "CONVERGED", ROUNDOFF: "ROUNDOFF_LIMITED", FAILED: "FAILURE"}


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
    """A new search and its state; the first call of `advance` or `advance_many` begins it.

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
    search.theta[:] = theta
    state.numbers[FTOL_ABS], state.numbers[FTOL_REL] = ftol_abs, ftol_rel
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
        counts=np.zeros(4, dtype=np.int64),
        outcome=np.empty(3),
        log=np.empty((nlog, 1 + n)),
    )
    return search, (lbfgs if many else trust).allocate(moved)


@jit(entry=False)
def begin(state, search, model):
    """Begin a search by `trust` at ``search.theta``."""
    parameters(model.table, model.index, search.theta_index)
    square_blocks(search.theta_index, search.entries)
    _initialise(state, search, model)
    trust.begin(state, state.numbers[FTOL_ABS], state.numbers[FTOL_REL])


@jit
def _begin_many(state, search, model):
    """Begin a search by `lbfgs` at ``search.theta``."""
    parameters(model.table, model.index, search.theta_index)
    for t in range(len(search.theta)):
        copy(search.theta_index[:, t], search.entries[:, t])
    _initialise(state, search, model)
    lbfgs.begin(state, state.numbers[FTOL_ABS], state.numbers[FTOL_REL], 1.0)


@jit
def _initialise(state, search, model):
    """Initialise a search of either kind after `theta_index` and `entries` are filled."""
    n = float(model.degrees[DEGREES])
    column_sizes(model.table, model.A, search.theta_index, n, search.scale)
    search.counts[:] = 0
    search.outcome[CERTIFICATE], search.outcome[NORM] = np.inf, np.nan
    search.outcome[DISTANCE] = 0.0
    search.direction[:] = 0.0
    unfold(search.theta, search.entries, state.x)
    entries, theta_index = search.entries, search.theta_index
    for i in range(len(state.x)):
        for t in range(theta_index.shape[1]):
            if theta_index[0, t] == entries[0, i] and theta_index[1, t] == entries[1, i]:
                state.scale[i] = search.scale[theta_index[3, t]]


@jit(takes=(trust.STATE, SEARCH, MODEL, INTEGER), gives=NOTHING, owns=True)
def advance(state, search, model, budget):
    """Begin or continue a search by `trust`, for up to `budget` evaluations."""
    if search.counts[FEVAL] == 0:
        begin(state, search, model)
    fresh = False
    while search.counts[CODE] == EVALUATE and budget > 0:
        budget -= 1
        escaping = search.outcome[DISTANCE] > 0.0
        last = state.counts[PHASE] == LAST and not escaping
        f = next_value(state, search, model, last)
        if escaping:
            if not has_escaped(f, state, search):
                continue
            trust.restart(state)
        action = trust.advance(state, f)
        fresh = action == DIFFERENTIATE
        if fresh:
            differentiate(state, search, model)
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
            hold_rotations(state, search)
            action = trust.advance(state, f)
        if action != EVALUATE:
            end_or_escape(action, f, fresh, state, search, model)


@jit(takes=(lbfgs.STATE, SEARCH, MODEL, INTEGER))
def advance_many(state, search, model, budget):
    """Begin or continue a search by `lbfgs`, for up to `budget` evaluations."""
    if search.counts[FEVAL] == 0:
        _begin_many(state, search, model)
    while search.counts[CODE] == EVALUATE and budget > 0:
        budget -= 1
        f = next_value(state, search, model, False)
        if search.outcome[DISTANCE] > 0.0:
            if not has_escaped(f, state, search):
                continue
            lbfgs.restart(state)
        if np.isfinite(f):
            differentiate(state, search, model)
        action = lbfgs.advance(state, f)
        if action != EVALUATE:
            end_or_escape(action, f, f == state.numbers[FBEST], state, search, model)


@jit
def _scale(state):
    """Change H from the entries of λ to the scaled entries."""
    for i in range(len(state.x)):
        for j in range(len(state.x)):
            state.H[i, j] /= state.scale[i] * state.scale[j]
