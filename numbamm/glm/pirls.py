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
from numbamm.blocks.layout import COLUMN, NLEVEL, NTERM, NX, P
from numbamm.blocks.solve import random_effects, solve
from numbamm.glm.family import contribution

EXPECTED, OBSERVED = 0, 1

#: Outcomes other than a number of iterations.
NOT_POSITIVE_DEFINITE, NO_DESCENT = -1, -2

MAX_ITERATIONS, MAX_HALVINGS = 200, 40


@jit
def pirls(
    theta, x, model, shape, y, weights, base, basis, refs, z, table, index, places, A, work,
    zw, xyw, eta, vectors, tolerance, trace, out,
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
    y, weights, base : float64, shape (n,)
        Response, prior weights, the part of η that is held.
    basis : float64, shape (n, at least NX)
    refs, z, table, index, places, A, work
        As for the linear model; A and work are overwritten.
    zw, xyw, eta : float64, shapes (n, sum of p), (n, NX + 1), (3, n)
        Scratch; ``eta[0]`` holds η at the mode afterwards.
    vectors : float64, shape (3, q + NX + 1)
        Scratch.
    tolerance : float64
        The iteration has converged when Σ W Δη² + |Δu|² falls below.
    trace : float64, shape (k,)
        Filled with Σ -2 w t + u'u + log|L|² at the start and after each iteration.
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
    deviance, penalty = _deviance(eta[0], model, shape, y, weights), _squares(x[:q])
    iterations, change = 0, np.inf
    while change > tolerance and iterations < MAX_ITERATIONS:
        _weigh(EXPECTED, eta, model, shape, y, weights, base, basis, z, zw, xyw, nx)
        crossprod(refs, zw, xyw, table, places, A)
        logdet = factorize(theta, table, index, A, work)
        if not logdet < np.inf:
            return NOT_POSITIVE_DEFINITE
        if iterations < len(trace):
            trace[iterations] = deviance + penalty + logdet
        solve(table, index, work, solution, b)
        part, rises = 1.0, True
        for _ in range(MAX_HALVINGS):
            for j in range(len(x)):
                trial[j] = x[j] + part * (solution[j] - x[j])
            random_effects(table, work, trial[:q], b)
            _predict(eta[1], trial[q:], b, base, basis, refs, z, table)
            new_deviance = _deviance(eta[1], model, shape, y, weights)
            new_penalty = _squares(trial[:q])
            rises = not new_deviance + new_penalty <= deviance + penalty + _slack(deviance)
            if not rises:
                break
            part *= 0.5
        if rises:
            return NO_DESCENT
        change = 0.0
        for i in range(len(y)):
            change += eta[2, i] * (eta[1, i] - eta[0, i]) ** 2
            eta[0, i] = eta[1, i]
        for j in range(q):
            change += (trial[j] - x[j]) ** 2
        x[:] = trial
        deviance, penalty = new_deviance, new_penalty
        iterations += 1
    _weigh(model[2], eta, model, shape, y, weights, base, basis, z, zw, xyw, nx)
    crossprod(refs, zw, xyw, table, places, A)
    out[0], out[1], out[2] = deviance, penalty, factorize(theta, table, index, A, work)
    if iterations < len(trace):
        trace[iterations] = out[0] + out[1] + out[2]
    return iterations if out[2] < np.inf else NOT_POSITIVE_DEFINITE


@jit
def _slack(deviance):
    """How much of a rise rounding explains."""
    return 1e-12 * (abs(deviance) + 1.0)


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
def _deviance(eta, model, shape, y, weights):
    """Σ -2 w t; infinite where η is outside what the link or the family allows."""
    total = 0.0
    for i in range(len(y)):
        total += contribution(model[0], model[1], shape, y[i], weights[i], eta[i])[0]
    return total if total == total else np.inf


@jit
def _weigh(information, eta, model, shape, y, weights, base, basis, z, zw, xyw, nx):
    """Working weights W, and the rows times √W: z, and X with the working response."""
    for i in range(len(y)):
        _, score, expected, observed = contribution(
            model[0], model[1], shape, y[i], weights[i], eta[0, i]
        )
        # Where the information vanishes, η tells nothing and the response must not become NaN.
        W = max(expected, 1e-15 * weights[i])
        response = eta[0, i] - base[i] + score / W
        eta[2, i] = W
        root = math.sqrt(observed if information == OBSERVED else W)
        for a in range(z.shape[1]):
            zw[i, a] = root * z[i, a]
        for c in range(nx):
            xyw[i, c] = root * basis[i, c]
        xyw[i, nx] = root * response
