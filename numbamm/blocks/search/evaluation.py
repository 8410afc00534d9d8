"""`Search`: where a search over λ stands; and the objective and gradient of its `Model` there."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numbamm.blocks import gradient
from numbamm.blocks.cholesky import criterion, factorize
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, INTEGERS, MATRIX, NUMBER, REALS, TABLE, record
from numbamm.blocks.layout import GRADIENT, LAMBDA, THETA, P
from numbamm.blocks.search.rotations import fold
from numbamm.blocks.vectors import copy

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
        The start, and then θ of the latest evaluation.
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
    **dict.fromkeys(("A", "work", "adjoint"), REALS),
    degrees=INTEGERS,
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


@jit(entry=False)
def next_value(state, search, model, last):
    """Rotate the state's x to triangular form; return the objective there, and log it.

    At the last point of a search what derivatives need is not computed.
    """
    fold(state.x, search.entries, search.theta)
    f = objective(search.theta, model) if last else value(search.theta, model)
    if len(search.log) > 0:
        row = search.counts[FEVAL] % len(search.log)
        search.log[row, 0] = f
        copy(search.theta, search.log[row, 1:])
    search.counts[FEVAL] += 1
    return f


@jit(entry=False)
def objective(theta, model):
    """The objective at θ alone."""
    logdet = factorize(theta, model.table, model.index, model.A, model.work)
    return criterion(logdet, model.table, model.work, model.degrees, model.constant, model.sigma)


@jit(entry=False)
def value(theta, model):
    """The objective at θ, and in `adjoint` and `work` what its derivatives need."""
    return gradient.evaluate(
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


@jit(entry=False)
def differentiate(state, search, model):
    """The gradient in the scaled entries of λ that the search moves."""
    table, entries, adjoint = model.table, search.entries, model.adjoint
    matrices = model.index, model.A, model.work, adjoint
    gradient.differentiate(table, *matrices, model.degrees, model.sigma, False)
    for i in range(len(state.g)):
        k = entries[0, i]
        at = table[0, GRADIENT] + table[1 + k, LAMBDA]
        state.g[i] = adjoint[at + entries[1, i] * table[1 + k, P] + entries[2, i]] / state.scale[i]


@jit(entry=False)
def gradient_norm(search, model):
    """Length of the gradient in θ, from the derivatives in `adjoint`."""
    places = model.index[model.table[0, THETA] : model.table[0, THETA] + len(search.theta)]
    total = 0.0
    for place in places:
        total += model.adjoint[model.table[0, GRADIENT] + place] ** 2
    return math.sqrt(total)
