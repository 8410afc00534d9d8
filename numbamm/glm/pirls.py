"""PIRLS: the mode of the random effects by penalised iteratively reweighted least squares.

Each iteration is a weighted penalised least-squares problem, solved by the blocked Cholesky of the
linear model: A is rebuilt with the working weights, factored, and solved for the working response.
With x = (u, γ), the iteration minimises

    Σ w d(y, η) + u'u,    η = base + basis γ + ZΛu

over u and γ where the layout has X columns, and over u alone where it has none (``NX`` = 0; the
caller then includes the fixed effects in `base`).

The weights are the expected information (Fisher scoring). With a link that is not canonical such
steps converge linearly, or cycle. So near the mode the weights are the observed information, which
gives Newton steps, as long as these decrease the penalised deviance.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.cholesky import factorize, set_lambda
from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import MATRIX, NUMBER, REALS
from numbamm.blocks.layout import DIAG, NHEAD, NLEVEL, NX, ORDER, TAIL, P
from numbamm.blocks.solve import random_effects, solve
from numbamm.blocks.vectors import copy
from numbamm.glm.row_kernels import SCORE, WEIGHT, WORKING
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

#: Outcomes other than a number of iterations. In turn: a factorisation fails; no step decreases the
#: penalised deviance; the limit of iterations is reached; the mode lies on the boundary of the η
#: that the link or the family allows; the deviance is flat at the mode, or curves downwards.
NOT_POSITIVE_DEFINITE, NO_DESCENT, NOT_CONVERGED, AT_EDGE, FLAT = -1, -2, -3, -4, -5

MAX_ITERATIONS, MAX_HALVINGS = 200, 40
#: After so many successive halved steps the iteration is at the boundary, if the link has one.
MAX_CREEPING = 20

#: Newton steps are tried once Σ W Δη² + |Δu|² of a step is below this, in units of the scale.
NEAR = 1.0

#: Factor on the tolerance for other than Newton steps, whose convergence is not quadratic.
LINEAR = 1e-5

#: Least working weight per unit of prior weight. Where responses are separated, η diverges and its
#: information vanishes; the floor keeps the pivots above rounding, and working responses finite.
#: With an estimated φ it is in units of the size of φ, and lower: rows with small means may still
#: be informative.
LEAST, LEAST_DISPERSED = 1e-10, 1e-15

#: A change of the penalised deviance below this share of its value plus the scale is rounding.
SLACK = 1e-12

#: Least pivot of Λ'Z'WZΛ + I for a valid Laplace approximation. Without data the pivots are 1. A
#: negative observed information can lower one; below this bound an effect has twice its prior
#: variance, and its density around the mode is far from normal. The approximation falls without
#: limit as a pivot goes to 0, where the mode ceases to be a minimum.
LEAST_PIVOT = 0.5

#: A step whose Σ W Δη² + |Δu|² is below this share of Σ W η² is rounding.
ROUNDING = 1e-28


@jit(takes=(REALS, REALS, NUMBER, NUMBER, REALS, KIND, NUMBER, MATRIX, REALS))
def pirls(theta, x, shape, scale, base, rows, tolerance, trace, out):
    """Find the mode, and factorise there with the weights of the Laplace determinant.

    Parameters
    ----------
    theta : float64, shape (number of θ,)
    x : float64, shape (q + NX,)
        Spherical random effects in the table's order, then γ; start and result.
    shape : float64
        Shape of the negative binomial.
    scale : float64
        The size of φ, the unit of the deviance; 1 where φ is 1.
    base : float64, shape (n,)
        The part of η that does not vary: the offset, and held fixed effects.
    rows : Working
        Afterwards line `AT` of its eta holds η at the mode, and line `SCORE` the score.
    tolerance : float64
        The iteration has converged when Σ W Δη² + |Δu|² is below this, in units of `scale`.
        With infinity no step is taken, and the factor is computed at the given x.
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
    held = (
        0.0 if rows.model[HEAVY] != 0 else HELD
    )  # distant rows of heavy-tailed links are informative
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
        change = _change(x, trial, q, rows) / (part * part)  # scaled to the whole step
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
    """Solve for the end of Newton's step; log|L|², NaN if the curvature is indefinite."""
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
    """Set the trial a part of the way from x to the solution; return the deviance there."""
    for j in range(len(x)):
        trial[j] = x[j] + part * (solution[j] - x[j])
    _predict(rows.eta[TRIAL], trial, q, b, base, rows)
    return _deviance(rows.eta[TRIAL], shape, scale, rows)


@jit
def _descends(new, old, scale):
    """Whether the penalised deviance rises by no more than rounding; false where it is NaN."""
    return new <= old + SLACK * (abs(old) + scale) and new < np.inf


@jit
def _falls(new, old, scale):
    """Whether the penalised deviance falls by more than rounding; else η alone may diverge."""
    return new < old - SLACK * (abs(old) + scale) and old < np.inf


@jit
def _change(x, trial, q, rows):
    """Take the step from x to trial in η; return its Σ W Δη² + |Δu|², 0 where it is rounding."""
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
    """Σ w d at η; infinite where the link or the family does not allow some η.

    The rows keep the expected information and the score at η, which the next iteration needs.
    """
    least = LEAST_DISPERSED * scale if rows.model[DISPERSED] != 0 else LEAST
    total = ask(WORKING, eta, shape, least, rows)
    return total if total == total else np.inf
