"""The working linear mixed model: rows of a generalized model with their working weights at η."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from numbamm.blocks.crossprod import crossprod, crossprod_response
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, INTEGERS, LEVELS, MATRIX, REALS, TABLE, record
from numbamm.blocks.layout import COLUMN, CROSS, NLEVEL, NTERM, NX, P
from numbamm.glm.row_kernels import FIRST, INFORMATION, SCORE, SECOND, WEIGHT, evaluate_rows

EXPECTED, OBSERVED = 0, 1

# Positions in `Working.model`.
LINK, FAMILY, DETERMINANT, CANONICAL, BARRIER, DISPERSED, EDGE, HEAVY, SHAPED = range(9)
JOINT, INFORMED = 9, 10

#: A row keeps its working weight if both its informations are below this share of it: the weight
#: is then the floor; see `pirls`.
HELD = 0.5

# The first lines of `Working.eta`: η, and η of a trial step. Row kernels fill the others.
AT, TRIAL = range(2)


class Working(NamedTuple):
    """Rows, blocks and scratch that kernels share.

    Attributes
    ----------
    model : int64, shape (11,)
        Properties of link and family, by the positions `LINK` to `INFORMED`: addresses of their row
        kernels (see `row_kernels.evaluate_rows`); `EXPECTED` or `OBSERVED`, the information in the
        Laplace determinant; whether the link is canonical, so that the two informations agree;
        which η are excluded (`row_kernels.NO_BARRIER` and others); whether φ is estimated; whether
        some η have no mean; whether the link has heavy tails; whether the family has a shape;
        whether several rows have one density, so that the weight of one depends on the η of
        another; whether the family leaves informations where it leaves weights.
    y, weights, entropy : float64, shape (n,)
        Response and prior weights; `logistic.entropies` of the response.
    basis : float64, shape (n, at least NX)
        Fixed-effects columns; the X columns of the layout are the first NX.
    refs, z, table, index, places, A, work
        As for the linear model, with z unweighted; A and work are overwritten.
    B : float64, shape (size_a,) or (0,)
        Scratch for rows with negative observed information; empty with a canonical link.
    zw, xyw, eta : float64, shapes (n, sum of p), (n, NX + 1), (LINES, n)
        Scratch. The lines of eta are η, η of a trial step, the working weight, the score, and
        further results of the family's kernel.
    link : float64, shape (at least 6, n) or (0, n)
        Scratch: the link's table, and lines of the row kernel's own.
    vectors : float64, shape (3, q + NX + 1)
        Scratch.
    """

    model: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    entropy: np.ndarray
    basis: np.ndarray
    refs: np.ndarray
    z: np.ndarray
    table: np.ndarray
    index: np.ndarray
    places: np.ndarray
    A: np.ndarray
    work: np.ndarray
    B: np.ndarray
    zw: np.ndarray
    xyw: np.ndarray
    eta: np.ndarray
    link: np.ndarray
    vectors: np.ndarray


#: The type of `Working`.
KIND = record(
    Working,
    model=INTEGERS,
    table=TABLE,
    index=INDEX,
    **dict.fromkeys(("refs", "places"), LEVELS),
    **dict.fromkeys(("y", "weights", "entropy", "A", "work", "B"), REALS),
    **dict.fromkeys(("basis", "z", "zw", "xyw", "eta", "link", "vectors"), MATRIX),
)


@jit(entry=False)
def ask(what, eta, shape, least, rows):
    """Evaluate the row kernels at η, shape (n,); they fill lines of ``rows.eta``."""
    return evaluate_rows(
        np.int64(what),  # as a variable: numba would compile one version for each constant
        rows.model[LINK],
        rows.model[FAMILY],
        rows.y,
        rows.weights,
        rows.entropy,
        shape,
        least,
        eta,
        rows.link,
        rows.model[BARRIER],
        rows.eta,
    )


@jit(entry=False)
def add_effects(eta, gamma, b, rows):
    """η += basis γ + Zb, with the first columns of the basis, as many as γ has entries."""
    basis, refs, z, table = rows.basis, rows.refs, rows.z, rows.table
    if len(gamma) > 0:
        for i in range(len(eta)):
            total = eta[i]
            for c in range(len(gamma)):
                total += basis[i, c] * gamma[c]
            eta[i] = total
    start = 0
    for k in range(table[0, NTERM]):
        p, column = table[1 + k, P], table[1 + k, COLUMN]
        if p == 1:
            _add_scalar_effects(refs[k], z[:, column], b[start:], eta)
        else:
            for i in range(len(eta)):
                at = start + refs[k, i] * p
                for a in range(p):
                    eta[i] += z[i, column + a] * b[at + a]
        start += p * table[1 + k, NLEVEL]


@jit
def _add_scalar_effects(level, z, b, eta):
    for i in range(len(eta)):
        eta[i] += z[i] * b[level[i]]


@jit(entry=False)
def load_weights(base, rows):
    """Compute A from the rows times √W, with the working response η - base + score / W."""
    eta = rows.eta
    response = rows.xyw[:, rows.table[0, NX]]
    for i in range(len(base)):
        W = eta[WEIGHT, i]
        response[i] = eta[AT, i] - base[i] + (eta[SCORE, i] / W if W > 0.0 else 0.0)
    _load(1.0, rows, rows.A)


@jit(entry=False)
def load_observed(held, shape, rows):
    """Compute A with the observed information as weights; `respond` adds the response's row.

    The observed information of a row may be negative, so that A is a difference of two
    cross-products. On entry the weights are the expected information with its floor, at this η. A
    row whose informations are both below the share `held` of its weight, as happens where responses
    are separated, keeps that weight.
    """
    eta, negative = rows.eta, False
    if rows.model[INFORMED] == 0:
        ask(INFORMATION, eta[AT], shape, 0.0, rows)
    for i in range(len(rows.y)):
        expected, observed = eta[FIRST, i], eta[SECOND, i]
        if max(expected, abs(observed)) < held * eta[WEIGHT, i]:
            continue
        eta[WEIGHT, i] = observed
        negative |= observed < 0.0
    rows.xyw[:, rows.table[0, NX]] = 0.0
    _load(1.0, rows, rows.A)
    if negative and len(rows.B) > 0:
        _load(-1.0, rows, rows.B)
        for j in range(len(rows.A)):
            rows.A[j] -= rows.B[j]
    _hold_pivot(rows)


@jit(entry=False)
def respond(values, rows):
    """Set A's row of the response to Z'v and X'v, for v of shape (n,)."""
    nx = rows.table[0, NX]
    for i in range(len(values)):
        for c in range(nx):
            rows.xyw[i, c] = rows.basis[i, c]
        rows.xyw[i, nx] = values[i]
    crossprod_response(rows.refs, rows.z, rows.xyw, rows.table, rows.A)
    _hold_pivot(rows)


@jit
def _hold_pivot(rows):
    """Set y'y so large that its pivot, which is not used, cannot fail."""
    rows.A[rows.table[0, CROSS] + (rows.table[0, NX] + 1) ** 2 - 1] = 1e300


@jit
def _load(sign, rows, A):
    """Cross-product of the rows whose weight has this sign.

    On entry the last column of xyw, the response, is unweighted.
    """
    nx, z, zw, xyw = rows.table[0, NX], rows.z, rows.zw, rows.xyw
    for i in range(len(z)):
        root = math.sqrt(max(sign * rows.eta[WEIGHT, i], 0.0))
        for a in range(z.shape[1]):
            zw[i, a] = root * z[i, a]
        for c in range(nx):
            xyw[i, c] = root * rows.basis[i, c]
        xyw[i, nx] *= root
    crossprod(rows.refs, zw, xyw, rows.table, rows.places, A)
