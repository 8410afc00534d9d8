"""The parametric bootstrap: fits of one linear model to many responses simulated from it.

All fits share [Z X]'[Z X]; a new response changes only the last row of A. One compiled call
simulates and fits a batch without the GIL, so that threads, each with its own `Model`, run in
parallel.
"""

from __future__ import annotations

import numpy as np
from numba.types import Tuple

from numbamm.blocks import cholesky
from numbamm.blocks.crossprod import crossprod_response
from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import FLAGS, LEVELS, MATRIX, NUMBER, REALS
from numbamm.blocks.layout import COLUMN, NHEAD, NLEVEL, NTERM, NX, ORDER, TAIL, P
from numbamm.blocks.search import trust
from numbamm.blocks.search.communication import FAILED, FBEST, FTOL_ABS, FTOL_REL
from numbamm.blocks.search.evaluation import CODE, FEVAL, MODEL, SEARCH
from numbamm.blocks.search.newton import UNLIMITED, advance
from numbamm.blocks.search.rotations import fold
from numbamm.blocks.solve import solve
from numbamm.blocks.vectors import copy

# Columns of `numbers`: the objective, and the square root of r².
OBJECTIVE, NORM = range(2)


@jit(
    takes=(
        *(MATRIX, REALS, MODEL, SEARCH, trust.STATE, Tuple((LEVELS, MATRIX, MATRIX, MATRIX))),
        *(NUMBER, NUMBER, NUMBER, MATRIX, MATRIX, MATRIX, FLAGS),
    ),
    owns=True,
)
def refits(
    noise,
    theta,
    model,
    search,
    state,
    rows,
    scale,
    ftol_abs,
    ftol_rel,
    thetas,
    gammas,
    numbers,
    succeeded,
):
    """Fit the model to a batch of responses y = scale (ZΛu + ε).

    Xβ is omitted: it would add β to the estimates of β, and change no other estimate.

    Parameters
    ----------
    noise : float64, shape (batch, number of random effects + n)
        Standard normal: u, in the table's order, then ε.
    theta : float64, shape (number of θ,)
        The start of each search.
    model : evaluation.Model
        Its A is overwritten.
    search : evaluation.Search
    state : trust.State
        From `newton.allocate`; overwritten.
    rows : tuple of refs, z, zl, xy
        As for `crossprod.crossprod`, with zl = zλ, each term's columns times its λ. The last
        column of xy is overwritten.
    scale : float64
        σ in the units of A.
    ftol_abs, ftol_rel : float64
        See `newton.fit`.
    thetas, gammas, numbers : float64, shape (batch, ...)
        Filled with θ, whose columns of λ may have either sign; with the coefficients of X's
        columns minus β; and with `OBJECTIVE` and `NORM`.
    succeeded : bool, shape (batch,)
        Filled: whether the estimates are usable.
    """
    refs, z, zl, xy = rows
    table, index, A, work = model.table, model.index, model.A, model.work
    nx, m = table[0, NX], table[0, ORDER]
    width = 0
    for k in range(table[0, NHEAD]):
        width += table[1 + k, P] * table[1 + k, NLEVEL]
    u, b = np.zeros(width + m), np.zeros(width + m)
    most = counter() + UNLIMITED
    for i in range(len(noise)):
        draw(noise[i], refs, zl, table, scale, xy)
        crossprod_response(refs, z, xy, table, A)
        copy(theta, search.theta)
        search.counts[FEVAL] = 0
        state.numbers[FTOL_ABS], state.numbers[FTOL_REL] = ftol_abs, ftol_rel
        advance(state, search, model, most)
        fold(state.best, search.entries, thetas[i])
        logdet = cholesky.factorize(thetas[i], table, index, A, work)
        numbers[i, OBJECTIVE] = state.numbers[FBEST]
        numbers[i, NORM] = work[table[0, TAIL] + m * m - 1]
        succeeded[i] = search.counts[CODE] != FAILED and np.isfinite(logdet)
        solve(table, index, work, u, b)
        gammas[i] = u[len(u) - 1 - nx : len(u) - 1]


@jit(entry=False)
def draw(noise, refs, zl, table, scale, xy):
    """Fill the last column of xy with scale (ZΛu + ε)."""
    n, nx = len(xy), table[0, NX]
    first = len(noise) - n
    for row in range(n):
        xy[row, nx] = noise[first + row]
    start = 0
    for k in range(table[0, NTERM]):
        p, column = table[1 + k, P], table[1 + k, COLUMN]
        for row in range(n):
            at = start + refs[k, row] * p
            for c in range(p):
                xy[row, nx] += zl[row, column + c] * noise[at + c]
        start += p * table[1 + k, NLEVEL]
    for row in range(n):
        xy[row, nx] *= scale
