"""PIRLS: the mode of the random effects by penalised iteratively reweighted least squares.

Each iteration is a weighted penalised least-squares problem, solved by the blocked Cholesky of the
linear model: A is rebuilt with the working weights, factored, and solved for the working response.
With x = (u, γ), the iteration minimises

    Σ -2 w t(y, η) + u'u,    η = base + basis γ + ZΛu

over u and γ where the layout has X columns, and over u alone where it has none (``NX`` = 0; the
caller then puts the fixed effects into `base`).
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.cholesky import factorize, set_lambda
from numbamm.blocks.crossprod import crossprod
from numbamm.blocks.jit import jit
from numbamm.blocks.layout import COLUMN, CROSS, NLEVEL, NTERM, NX, P
from numbamm.blocks.solve import random_effects, solve
from numbamm.glm.family import GAMMA, contribution

EXPECTED, OBSERVED = 0, 1

#: Outcomes other than a number of iterations.
NOT_POSITIVE_DEFINITE, NO_DESCENT = -1, -2

MAX_ITERATIONS, MAX_HALVINGS = 200, 40

#: Working weights of a unit are at least this. Where responses are separated η runs off, and its
#: information vanishes: the factor must not lose its pivots to rounding, nor a response be NaN.
#: Where φ is not 1 that is in units of its size, and small means may still tell much.
LEAST, LEAST_DISPERSED = 1e-10, 1e-15

#: A step smaller than this share of Σ W η² is rounding.
ROUNDING = 1e-28


@jit
def pirls(
    theta, x, model, shape, scale, y, weights, base, basis, refs, z, table, index, places, A, B,
    work, zw, xyw, eta, vectors, tolerance, trace, out,
):  # fmt: skip
    """Find the mode, and leave the factor there with the weights of the Laplace term.

    Parameters
    ----------
    theta : float64, shape (number of θ,)
    x : float64, shape (q + NX,)
        Spherical random effects in the table's order, then γ; start and result.
    model : int64, shape (3,)
        Codes of the family, the link, and the information in the final factor.
    shape : float64
        Shape of the negative binomial.
    scale : float64
        The size of φ, in which the deviance is measured; 1 where φ is.
    y, weights, base : float64, shape (n,)
        Response, prior weights, the part of η that is held.
    basis : float64, shape (n, at least NX)
    refs, z, table, index, places, A, work
        As for the linear model; A and work are overwritten.
    B : float64, shape (size_a,) or (0,)
        Scratch, where the observed information of a row can be negative.
    zw, xyw, eta : float64, shapes (n, sum of p), (n, NX + 1), (4, n)
        Scratch; ``eta[0]`` holds η at the mode afterwards. The other lines are η of a trial, and
        W and the score where the deviance was computed last.
    vectors : float64, shape (3, q + NX + 1)
        Scratch.
    tolerance : float64
        The iteration has converged when Σ W Δη² + |Δu|² falls below, in units of `scale`.
    trace : float64, shape (k, 2)
        Filled with Σ -2 w t + u'u and log|L|² at the start and after each iteration.
    out : float64, shape (3,)
        Filled with Σ -2 w t, u'u and log|L_Z|² at the mode.

    Returns
    -------
    int
        Number of iterations; negative if the mode was not found.
    """
    nx, q = table[0, NX], len(x) - table[0, NX]
    solution, b, trial = vectors[0], vectors[1], vectors[2, : len(x)]
    set_lambda(theta, table, index, work)
    random_effects(table, work, x[:q], b)
    _predict(eta[0], x[q:], b, base, basis, refs, z, table)
    deviance, penalty = _deviance(eta, 0, model, shape, scale, y, weights), _squares(x[:q])
    iterations, change = 0, np.inf
    while change > tolerance * scale and iterations < MAX_ITERATIONS:
        _weigh_rows(eta, base, basis, z, zw, xyw, nx)
        crossprod(refs, zw, xyw, table, places, A)
        logdet = factorize(theta, table, index, A, work)
        if not logdet < np.inf:
            return NOT_POSITIVE_DEFINITE
        if iterations < len(trace):
            trace[iterations, 0], trace[iterations, 1] = deviance + penalty, logdet
        solve(table, index, work, solution, b)
        part, rises = 1.0, True
        for _ in range(MAX_HALVINGS):
            for j in range(len(x)):
                trial[j] = x[j] + part * (solution[j] - x[j])
            random_effects(table, work, trial[:q], b)
            _predict(eta[1], trial[q:], b, base, basis, refs, z, table)
            new_deviance = _deviance(eta, 1, model, shape, scale, y, weights)
            new_penalty = _squares(trial[:q])
            ceiling = deviance + penalty + _slack(deviance, scale)
            rises = not new_deviance + new_penalty <= ceiling or new_deviance == np.inf
            if not rises:
                break
            part *= 0.5
        if rises:
            return NO_DESCENT
        change, size = 0.0, 0.0
        for i in range(len(y)):
            change += eta[2, i] * (eta[1, i] - eta[0, i]) ** 2
            size += eta[2, i] * eta[1, i] ** 2
            eta[0, i] = eta[1, i]
        for j in range(q):
            change += (trial[j] - x[j]) ** 2
        if change < ROUNDING * size:
            change = 0.0
        x[:] = trial
        deviance, penalty = new_deviance, new_penalty
        iterations += 1
    if model[2] == OBSERVED:
        _observe(1.0, eta, model, shape, y, weights)
    _weigh_rows(eta, base, basis, z, zw, xyw, nx)
    crossprod(refs, zw, xyw, table, places, A)
    if len(B) > 0 and _observe(-1.0, eta, model, shape, y, weights):
        _weigh_rows(eta, base, basis, z, zw, xyw, nx)
        crossprod(refs, zw, xyw, table, places, B)
        for i in range(len(A)):
            A[i] -= B[i]
        A[table[0, CROSS] + (nx + 1) ** 2 - 1] = 1e300  # y's pivot is not used, and must not fail
    out[0], out[1], out[2] = deviance, penalty, factorize(theta, table, index, A, work)
    if iterations < len(trace):
        trace[iterations, 0], trace[iterations, 1] = out[0] + out[1], out[2]
    return iterations if out[2] < np.inf else NOT_POSITIVE_DEFINITE


@jit
def _slack(deviance, scale):
    """How much of a rise rounding explains."""
    return 1e-12 * (abs(deviance) + scale)


@jit
def _squares(v):
    total = 0.0
    for j in range(len(v)):
        total += v[j] * v[j]
    return total


@jit
def _predict(eta, gamma, b, base, basis, refs, z, table):
    """η = base + basis γ + Zb."""
    for i in range(len(eta)):
        total = base[i]
        for c in range(len(gamma)):
            total += basis[i, c] * gamma[c]
        eta[i] = total
    start = 0
    for k in range(table[0, NTERM]):
        p, column = table[1 + k, P], table[1 + k, COLUMN]
        for i in range(len(eta)):
            at = start + refs[k, i] * p
            for a in range(p):
                eta[i] += z[i, column + a] * b[at + a]
        start += p * table[1 + k, NLEVEL]


@jit
def _deviance(eta, line, model, shape, scale, y, weights):
    """Σ -2 w t at one line of η; infinite where it is outside what the link or family allows.

    W and the score are kept, since the iteration goes on from there.
    """
    total = 0.0
    least = LEAST_DISPERSED * scale if model[0] >= GAMMA else LEAST
    for i in range(len(y)):
        row, score, expected, _ = contribution(
            model[0], model[1], shape, y[i], weights[i], eta[line, i]
        )
        total += row
        eta[2, i] = max(expected, least * weights[i])
        eta[3, i] = score
    return total if total == total else np.inf


@jit
def _observe(sign, eta, model, shape, y, weights):
    """The observed information of that sign as W, without the other; whether there is any."""
    found = False
    for i in range(len(y)):
        observed = contribution(model[0], model[1], shape, y[i], weights[i], eta[0, i])[3]
        eta[2, i] = max(sign * observed, 0.0)
        found |= eta[2, i] > 0.0
    return found


@jit
def _weigh_rows(eta, base, basis, z, zw, xyw, nx):
    """The rows times √W: z, and X with the working response."""
    for i in range(len(base)):
        W = eta[2, i]
        root = math.sqrt(W)
        for a in range(z.shape[1]):
            zw[i, a] = root * z[i, a]
        for c in range(nx):
            xyw[i, c] = root * basis[i, c]
        step = eta[3, i] / W if W > 0.0 else 0.0
        xyw[i, nx] = root * (eta[0, i] - base[i] + step)
