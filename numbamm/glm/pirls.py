"""PIRLS: the mode of the random effects by penalised iteratively reweighted least squares.

Each iteration is a weighted penalised least-squares problem, solved by the blocked Cholesky of the
linear model: A is rebuilt with the working weights, factored, and solved for the working response.
With x = (u, γ), the iteration minimises

    Σ w d(y, η) + u'u,    η = base + basis γ + ZΛu

over u and γ where the layout has X columns, and over u alone where it has none (``NX`` = 0; the
caller then puts the fixed effects into `base`).

The weights are the expected information. With a link that is not canonical such steps shrink by a
factor only, or circle; so near the mode the observed information takes its place, which makes them
Newton's, as long as these descend.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.cholesky import factorize, set_lambda
from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import MATRIX, NUMBER, REALS
from numbamm.blocks.layout import DIAG, NHEAD, NLEVEL, NX, ORDER, TAIL, P
from numbamm.blocks.solve import random_effects, solve
from numbamm.blocks.vectors import copy
from numbamm.glm.rows import SCORE, WEIGHT, WORKING
from numbamm.glm.working import (
    AT,
    CANONICAL,
    DETERMINANT,
    DISPERSED,
    EDGE,
    HEAVY,
    HELD,
    KIND,
    OBSERVED,
    TRIAL,
    add_effects,
    ask,
    load_observed,
    load_weights,
    respond,
)

#: Outcomes other than a number of iterations: a factor fails; no step descends; still under way;
#: the mode lies where the link or the family ends; the deviance is flat there, or curves downwards.
NOT_POSITIVE_DEFINITE, NO_DESCENT, NOT_CONVERGED, AT_EDGE, FLAT = -1, -2, -3, -4, -5

MAX_ITERATIONS, MAX_HALVINGS = 200, 40
#: So many steps one after the other that had to be halved creep along an edge, if the link has one.
MAX_CREEPING = 20

#: Σ W Δη² + |Δu|² of a step, in units of the scale, from which on Newton steps are tried.
NEAR = 1.0

#: How much smaller a step must be that is not Newton's: the next one is not about its square.
LINEAR = 1e-5

#: Working weights of a unit are at least this. Where responses are separated η runs off, and its
#: information vanishes: the factor must not lose its pivots to rounding, nor a response be NaN.
#: Where φ is not 1 that is in units of its size, and small means may still tell much.
LEAST, LEAST_DISPERSED = 1e-10, 1e-15

#: A change of the penalised deviance by less than this share, or less of the scale, is rounding.
SLACK = 1e-12

#: Pivots of Λ'Z'WZΛ + I are 1 a priori. Where the observed information is so far below 0 that one
#: is below this, the effects are twice as uncertain as without the rows, and no density around
#: the mode is about normal; the Laplace approximation falls without limit towards the point where
#: the mode ceases to be one.
LEAST_PIVOT = 0.5

#: A step smaller than this share of Σ W η² is rounding.
ROUNDING = 1e-28


@jit(takes=(REALS, REALS, NUMBER, NUMBER, REALS, KIND, NUMBER, MATRIX, REALS))
def pirls(theta, x, shape, scale, base, rows, tolerance, trace, out):
    """Find the mode, and leave the factor there with the weights of the Laplace term.

    Parameters
    ----------
    theta : float64, shape (number of θ,)
    x : float64, shape (q + NX,)
        Spherical random effects in the table's order, then γ; start and result.
    shape : float64
        Shape of the negative binomial.
    scale : float64
        The size of φ, in which the deviance is measured; 1 where φ is.
    base : float64, shape (n,)
        The part of η that is held.
    rows : Working
        Afterwards its first line of eta holds η at the mode, and the last one the score.
    tolerance : float64
        The iteration has converged when Σ W Δη² + |Δu|² falls below, in units of `scale`.
        Infinity leaves x as it is, and only factors there.
    trace : float64, shape (k, 2)
        Filled with Σ w d + u'u and log|L|² at the start and after each iteration.
    out : float64, shape (3,)
        Filled with Σ w d, u'u and log|L_Z|² at the mode.

    Returns
    -------
    int
        Number of iterations; negative if the mode was not found.
    """
    q, canonical = len(x) - rows.table[0, NX], rows.model[CANONICAL] != 0
    solution, b, trial = rows.vectors[0], rows.vectors[1], rows.vectors[2, : len(x)]
    set_lambda(theta, rows.table, rows.index, rows.work)
    _predict(rows.eta[AT], x, q, b, base, rows)
    deviance, penalty = _deviance(rows.eta[AT], shape, scale, rows), _squares(x[:q])
    iterations, change, least, value, part = 0, np.inf, tolerance, np.inf, 1.0
    newton, creeping = False, counter()
    has_edge = rows.model[EDGE] != 0
    held = 0.0 if rows.model[HEAVY] != 0 else HELD  # heavy tails tell much
    while change > least * scale and iterations < MAX_ITERATIONS:
        value = deviance + penalty
        newton, part = not canonical and change < NEAR * scale, 1.0
        if newton:
            logdet = _newton(held, theta, shape, base, rows, solution, b)
            newton = logdet < np.inf
            if newton:
                deviance = _step(1.0, x, solution, trial, q, b, shape, scale, base, rows)
                newton = _descends(deviance + _squares(trial[:q]), value, scale)
            if not newton:
                _deviance(rows.eta[AT], shape, scale, rows)  # the expected weights again
        if not newton:
            load_weights(base, rows)
            logdet = factorize(theta, rows.table, rows.index, rows.A, rows.work)
            if not logdet < np.inf:
                return NOT_POSITIVE_DEFINITE
            solve(rows.table, rows.index, rows.work, solution, b)
            for _ in range(MAX_HALVINGS):
                deviance = _step(part, x, solution, trial, q, b, shape, scale, base, rows)
                if _descends(deviance + _squares(trial[:q]), value, scale):
                    break
                part *= 0.5
            else:
                return NO_DESCENT
        if iterations < len(trace):
            trace[iterations, 0], trace[iterations, 1] = value, logdet
        penalty = _squares(trial[:q])
        change = _change(x, trial, q, rows) / (part * part)  # of the whole step
        least = tolerance if canonical or newton else tolerance * LINEAR
        copy(trial, x)
        iterations += 1
        creeping = creeping + 1 if part < 1.0 and has_edge else counter()
        if creeping > MAX_CREEPING:
            return AT_EDGE
    if change > least * scale:
        if creeping > 0:
            return AT_EDGE
        if part < 1.0 or _falls(deviance + penalty, value, scale):
            return NOT_CONVERGED
    if iterations > 0 and not (canonical or newton):
        if not _newton(HELD, theta, shape, base, rows, solution, b) < np.inf:
            return FLAT
        _deviance(rows.eta[AT], shape, scale, rows)  # the expected weights again
    observed = rows.model[DETERMINANT] == OBSERVED and not canonical
    if observed:
        load_observed(HELD, shape, rows)
    else:
        load_weights(base, rows)
    out[0], out[1] = deviance, penalty
    out[2] = factorize(theta, rows.table, rows.index, rows.A, rows.work)
    if iterations < len(trace):
        trace[iterations, 0], trace[iterations, 1] = out[0] + out[1], out[2]
    if not out[2] < np.inf:
        return NOT_POSITIVE_DEFINITE
    if observed and _least_pivot(rows) < LEAST_PIVOT:
        return FLAT
    return iterations


@jit
def _least_pivot(rows):
    """The smallest pivot of the factor's Z rows."""
    table, least = rows.table, np.inf
    for k in range(table[0, NHEAD]):
        p = table[1 + k, P]
        L = rows.work[table[1 + k, DIAG] : table[1 + k, DIAG] + p * p * table[1 + k, NLEVEL]]
        for at in range(0, len(L), p * p):
            for c in range(p):
                least = min(least, L[at + c * p + c])
    m = table[0, ORDER]
    for i in range(m - table[0, NX] - 1):
        least = min(least, rows.work[table[0, TAIL] + i * m + i])
    return least * least


@jit
def _newton(held, theta, shape, base, rows, solution, b):
    """Where Newton's step leads; log|L|², NaN if the curvature is not positive definite."""
    eta = rows.eta
    load_observed(held, shape, rows)
    for i in range(len(base)):
        eta[TRIAL, i] = eta[WEIGHT, i] * (eta[AT, i] - base[i]) + eta[SCORE, i]
    respond(eta[TRIAL], rows)
    logdet = factorize(theta, rows.table, rows.index, rows.A, rows.work)
    if logdet < np.inf:
        solve(rows.table, rows.index, rows.work, solution, b)
    return logdet


@jit
def _step(part, x, solution, trial, q, b, shape, scale, base, rows):
    """A part of the way to the solution as trial; the deviance there."""
    for j in range(len(x)):
        trial[j] = x[j] + part * (solution[j] - x[j])
    _predict(rows.eta[TRIAL], trial, q, b, base, rows)
    return _deviance(rows.eta[TRIAL], shape, scale, rows)


@jit
def _descends(new, old, scale):
    """Whether the penalised deviance does not rise, but for rounding; not so where it is NaN."""
    return new <= old + SLACK * (abs(old) + scale) and new < np.inf


@jit
def _falls(new, old, scale):
    """Whether it still falls by more than rounding, and not only η runs off."""
    return new < old - SLACK * (abs(old) + scale) and old < np.inf


@jit
def _change(x, trial, q, rows):
    """Σ W Δη² + |Δu|² of the step from x to trial, taken; 0 where it is rounding."""
    eta, change, size = rows.eta, 0.0, 0.0
    for i in range(len(rows.y)):
        change += eta[WEIGHT, i] * (eta[TRIAL, i] - eta[AT, i]) ** 2
        size += eta[WEIGHT, i] * eta[TRIAL, i] ** 2
        eta[AT, i] = eta[TRIAL, i]
    for j in range(q):
        change += (trial[j] - x[j]) ** 2
    return 0.0 if change < ROUNDING * size else change


@jit
def _squares(v):
    total = 0.0
    for j in range(len(v)):
        total += v[j] * v[j]
    return total


@jit
def _predict(eta, x, q, b, base, rows):
    """η = base + basis γ + ZΛu."""
    random_effects(rows.table, rows.work, x[:q], b)
    copy(base, eta)
    add_effects(eta, x[q:], b, rows)


@jit
def _deviance(eta, shape, scale, rows):
    """Σ w d at η; infinite where it is outside what the link or family allows.

    The expected information and the score are kept, since the iteration goes on from there.
    """
    least = LEAST_DISPERSED * scale if rows.model[DISPERSED] != 0 else LEAST
    total = ask(WORKING, eta, shape, least, rows)
    return total if total == total else np.inf
