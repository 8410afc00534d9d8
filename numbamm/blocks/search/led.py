"""`LedSearch`: the search of `newton`, led from Python over a tail that is not compiled code.

The trust region, the rotations of λ's columns, the certificate and the escapes from false optima
are the same kernels. The objective, its gradient, N and the average information are a tail's
methods (`tail.protocol`); a step between them costs some microseconds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.blocks.cholesky import set_lambda
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGER, NUMBER
from numbamm.blocks.layout import GRADIENT, LAMBDA, NORMAL, NTHETA, THETA, P
from numbamm.blocks.search import newton, trust
from numbamm.blocks.search.certificate import ESCAPE_BELOW, certify, is_singular, judge
from numbamm.blocks.search.communication import DIFFERENTIATE, EVALUATE, FAILED, FBEST
from numbamm.blocks.search.escapes import ESCAPES, LARGEST_DISTANCE, escape_start, has_escaped
from numbamm.blocks.search.evaluation import (
    CERTIFICATE,
    CODE,
    DISTANCE,
    END,
    ESCAPED,
    FEVAL,
    MODEL,
    NORM,
    SEARCH,
    Model,
    gradient_norm,
)
from numbamm.blocks.search.rotations import fold, hold_rotations

# What `step` is asked for.
BEGIN, ADVANCE, IMPROVE, IS_SINGULAR, CERTIFY, ESCAPE, HAS_ESCAPED, LENGTH = range(8)


class LedSearch:
    """A search over λ, one evaluation at a time: an `OwnSearch` (`optimize.protocol`).

    Parameters
    ----------
    tail : Tail
    theta : ndarray, shape (number of θ,)
        The start. The structures are free, so that θ are the entries of λ.
    criterion : (degrees, constant, sigma)
        As for `Tail.objective`.
    ftol_abs, ftol_rel : float
        As for `newton.fit`.
    """

    def __init__(self, tail, theta, criterion, ftol_abs, ftol_rel) -> None:
        self._tail, self._criterion = tail, criterion
        self._model = small_model(tail, *criterion)
        self._search, self._state = newton.start(theta, self._model, ftol_abs, ftol_rel)
        self._ask(BEGIN)

    @property
    def returnvalue(self) -> str | None:
        """How the search ended; None until then."""
        return newton.ENDS.get(int(self._search.counts[CODE]))

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
        theta = self._folded(self._state.x)
        f = self._tail.objective(theta, *self._criterion)
        self._search.counts[FEVAL] += 1
        if self._search.outcome[DISTANCE] == 0.0 or self._ask(HAS_ESCAPED, f):
            self._advance(theta, f)
        return [(theta, f)]

    def _advance(self, theta, f: float) -> None:
        action, fresh = self._ask(ADVANCE, f), False
        if action == DIFFERENTIATE:
            self._differentiate(theta)
            action, fresh = self._ask(IMPROVE, f), True
        if action != EVALUATE:
            self._end_or_escape(action, f, fresh)

    def _ask(self, what: int, f: float = 0.0) -> float:
        return step(what, f, self._state, self._search, self._model)

    def _folded(self, x) -> np.ndarray:
        """θ of all entries of λ that the search moves."""
        fold(x, self._search.entries, self._search.theta)
        return self._search.theta.copy()

    def _differentiate(self, theta) -> None:
        """Fill the state with the gradient and AI + I ⊗ 2N in the scaled entries of λ."""
        state, entries = self._state, self._search.entries
        G, N = put_derivatives(self._tail, theta, self._criterion, self._model)
        term, row, column, _ = entries
        state.g[:] = [G[k][a, b] for k, a, b in zip(term, row, column, strict=True)] / state.scale
        degrees, _, sigma = self._criterion
        state.H[:] = self._tail.information(entries, degrees, sigma)
        for s in range(len(term)):
            same = np.flatnonzero((term == term[s]) & (column == column[s]))
            state.H[s, same] += 2.0 * N[term[s]][row[s], row[same]]
        state.H[:] /= np.outer(state.scale, state.scale)

    def _end_or_escape(self, action, f: float, fresh: bool) -> None:
        """As `escapes.end_or_escape`: end, or go on from a false optimum along its escape."""
        search, state = self._search, self._state
        if action == FAILED:
            search.counts[CODE] = FAILED
            return
        theta = self._folded(state.best)
        fresh &= f == state.numbers[FBEST]
        singular = bool(self._ask(IS_SINGULAR))
        if singular and not fresh:
            put_derivatives(self._tail, theta, self._criterion, self._model)
        search.outcome[NORM] = self._ask(LENGTH) if singular or fresh else np.nan
        search.outcome[CERTIFICATE] = self._ask(CERTIFY) if singular else np.inf
        if search.outcome[CERTIFICATE] < ESCAPE_BELOW and search.counts[ESCAPED] < ESCAPES:
            search.counts[END], search.outcome[DISTANCE] = action, LARGEST_DISTANCE
            self._ask(ESCAPE)
        else:
            search.counts[CODE] = action


def judge_blocks(tail, theta, n: float):
    """The certificate at a singular θ, after the tail's gradient there; see `certificate.judge`."""
    return judge_normals(tail, theta, n, tail.normal_blocks())


def judge_normals(tail, theta, n: float, normals):
    """The same with N of the terms, in the caller's order, which may be another criterion's."""
    model = small_model(tail, np.array([n, 0]), 0.0, 0.0)
    model.work[model.index] = tail.joint.entries(theta)
    N = [normals[given].ravel() for given in tail.layout.order]
    model.adjoint[len(model.adjoint) // 2 :] = np.concatenate(N)
    layout = replace(tail.layout, table=model.table, index=model.index)
    return judge(theta, tail.joint, layout, tail.A, model.work, model.adjoint, n)


def small_model(tail, degrees, constant: float, sigma: float) -> Model:
    """What the kernels of a search read of a model: its table and A, and room for λ, G and N.

    The offsets of λ, G and N are those of small buffers, which hold nothing else.
    """
    table, nterm = tail.layout.table.copy(), tail.layout.nterm
    sizes = table[1 : 1 + nterm, P] ** 2
    total, starts = int(sizes.sum()), np.cumsum(sizes) - sizes
    theta = int(table[0, THETA])
    places = tail.layout.index[theta : theta + int(table[0, NTHETA])].astype(np.int64)
    before = table[1 : 1 + nterm, LAMBDA]
    order = np.argsort(before)
    term = order[np.searchsorted(before[order], places, side="right") - 1]
    index = (places - before[term] + starts[term]).astype(np.int32)
    table[0, [THETA, GRADIENT, NORMAL]] = 0, 0, total
    table[1 : 1 + nterm, LAMBDA] = starts
    work, adjoint = np.zeros(total), np.zeros(2 * total)
    return Model(table, index, tail.A, work, adjoint, degrees, constant, sigma)


def put_derivatives(tail, theta, criterion, model) -> tuple[list, list]:
    """G and N of every term at θ, in the table's order; they are put into the small buffers."""
    tail.objective_gradient(theta, *criterion)
    order = tail.layout.order
    both = tail.gradient_blocks(), tail.normal_blocks()
    G, N = ([blocks[given] for given in order] for blocks in both)
    model.adjoint[:] = np.concatenate([block.ravel() for block in (*G, *N)])
    return G, N


@jit(takes=(INTEGER, NUMBER, trust.STATE, SEARCH, MODEL))
def step(what, f, state, search, model):
    """Take one of the steps of `newton.advance` and of `escapes`; returns a number."""
    table, index, work = model.table, model.index, model.work
    if what == BEGIN:
        newton.begin(state, search, model)
        return 0.0
    if what == ADVANCE:
        return float(trust.advance(state, f))
    if what == IMPROVE:  # after g and H at the best point were filled
        trust.correct(state)
        hold_rotations(state, search)
        return float(trust.advance(state, f))
    if what == HAS_ESCAPED:
        if not has_escaped(f, state, search):
            return 0.0
        trust.restart(state)
        return 1.0
    if what == LENGTH:
        return gradient_norm(search, model)
    if what == ESCAPE:
        escape_start(state, search)
        return 0.0
    set_lambda(search.theta, table, index, work)
    if what == IS_SINGULAR:
        singular = is_singular(table, work, search.theta_index, search.scale)
        return 1.0 if singular else 0.0
    arrays = work, model.adjoint, search.theta_index, search.scale
    return certify(table, *arrays, False, search.direction)
