"""The certificate of a singular fit: is it a local minimum, or a stationary point that is none?

The objective depends on λ only through λλ', and its gradient 2Nλ vanishes along every direction in
which λλ' is null, whether or not the objective falls there. At a minimum over a full template N
is positive semidefinite on the null space of λλ'. Its smallest eigenvalue there, relative to the
largest of N, therefore certifies a singular fit; where it is negative, with eigenvector v, the
objective falls from λλ' towards λλ' + ε²vv'. A template with structural zeros consists of full
ones (of order one, if it is diagonal), and each of those has a certificate of its own.

At a stationary point Nλ vanishes. A search that keeps bounds may end where it does not, since the
way down leads beyond a bound at 0, where λ has another sign; N as a whole then has a negative
eigenvalue, and the objective falls along its eigenvector.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.eigen import eigh
from numbamm.blocks.information import parameters
from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import FLAG, FLAGS, INDEX, NUMBER, REALS, TABLE
from numbamm.blocks.layout import DIAG, LAMBDA, NLEVEL, NORMAL, P

#: A direction counts as null where λ, in columns of size one, is shorter.
NULL = 1e-3
#: A search with derivatives, which ends at a stationary point to rounding, escapes from an end with
#: a certificate below. What is told of an end allows for ten times as much, since other searches
#: end less exactly: `optimize.certificate.is_minimum`.
ESCAPE_BELOW = -1e-6


@jit(entry=False)
def column_sizes(table, A, which, n, sizes):
    """For each θ in the caller's order the root mean square of its row's column of Z; 1 if zero."""
    sizes[:] = 1.0
    for t in range(len(sizes)):
        k = which[0, t]
        p, total = table[1 + k, P], 0.0
        at = table[1 + k, DIAG] + which[1, t] * (p + 1)
        for level in range(table[1 + k, NLEVEL]):
            total += A[at + level * p * p]
        if total > 0.0:
            sizes[which[3, t]] = math.sqrt(total / n)


@jit(entry=False, takes=(TABLE, REALS, TABLE, REALS), gives=FLAG, owns=True)
def is_singular(table, work, which, scale):
    """Whether the λ in `work` has null directions in a block of a template: `certify` is finite."""
    for first in range(which.shape[1]):
        if which[1, first] == which[2, first]:
            rows = _block(which, first)
            if len(rows) > 0 and _null_space(which[0, first], rows, table, work, which, scale)[0]:
                return True
    return False


@jit(entry=False, takes=(TABLE, REALS, REALS, TABLE, REALS, FLAG, REALS), gives=NUMBER, owns=True)
def certify(table, work, adjoint, which, scale, whole, away):
    """The certificate at the θ whose λ and N stand in the buffers.

    Parameters
    ----------
    table, work, adjoint
        After `information.complete_normal`.
    which : int64, shape (4, number of θ)
        Filled by `information.parameters`.
    scale : float64, shape (number of θ,)
        Filled by `column_sizes`.
    whole : bool
        Look at N in all directions of a singular block, not in the null ones alone.
    away : float64, shape (number of θ,)
        Filled where the certificate is negative: the entry of v for each θ on the diagonal of λ
        in the block concerned, zero elsewhere.

    Returns
    -------
    float64
        The smallest over all blocks of templates; infinite if none is singular.
    """
    lowest, nθ = np.inf, which.shape[1]
    away[:] = 0.0
    for first in range(nθ):
        k, leader = which[0, first], which[2, first]
        if which[1, first] != leader:
            continue  # not on the diagonal
        rows = _block(which, first)
        if len(rows) == 0:
            continue
        value, v = _certify_block(k, rows, table, work, adjoint, which, scale, whole)
        if value < lowest:
            lowest = value
            away[:] = 0.0
            for i in range(len(rows)):
                away[which[3, rows[i]]] = v[i]
    return lowest


@jit(owns=True)
def _block(which, first):
    """The θ on the diagonal of the full block that begins at a θ; none if it is inside one."""
    k, leader, size = which[0, first], which[2, first], 0
    for t in range(which.shape[1]):
        if which[0, t] == k:
            if which[1, t] == leader and which[2, t] < leader:
                return np.empty(0, dtype=np.int64)
            size += which[2, t] == leader
    rows, at = np.empty(size, dtype=np.int64), 0
    for t in range(which.shape[1]):
        if which[0, t] == k and which[2, t] == leader:
            for d in range(which.shape[1]):
                if which[0, d] == k and which[1, d] == which[2, d] == which[1, t]:
                    rows[at] = d
            at += 1
    return rows


@jit(owns=True)
def _certify_block(k, rows, table, work, adjoint, which, scale, whole):
    """Certificate and direction v for one full block of a template."""
    n, p = len(rows), table[1 + k, P]
    null, V = _null_space(k, rows, table, work, which, scale)
    v = np.zeros(n)
    if null == 0:
        return np.inf, v
    null = n if whole else null
    N = adjoint[table[0, NORMAL] + table[1 + k, LAMBDA] :]
    row, size = which[1, rows], scale[which[3, rows]]
    normal = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            normal[i, j] = N[row[i] * p + row[j]] / (size[i] * size[j])
    values, scratch = np.empty(n), np.empty(n * n + 40 * n)
    inner = np.zeros(null * null)
    for i in range(null):
        for j in range(null):
            for a in range(n):
                for b in range(n):
                    inner[j * null + i] += V[i * n + a] * normal[a, b] * V[j * n + b]
    eigh(normal.reshape(n * n), n, values, scratch)
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(values[i]))
    eigh(inner, null, values[:null], scratch)
    least = 0
    for i in range(1, null):
        if values[i] < values[least]:
            least = i
    for a in range(n):
        for i in range(null):
            v[a] += inner[least * null + i] * V[i * n + a] / size[a]
    return (values[least] / largest if largest > 0.0 else 0.0), v


@jit(owns=True)
def _null_space(k, rows, table, work, which, scale):
    """How many null directions λλ' has in a block, and its eigenvectors, the null ones first."""
    n, p = len(rows), table[1 + k, P]
    lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
    row, size = which[1, rows], scale[which[3, rows]]
    V, values, scratch = np.empty(n * n), np.empty(n), np.empty(n * n + 40 * n)
    for i in range(n):
        for j in range(n):
            total = 0.0
            for c in range(p):
                total += lam[row[i] * p + c] * lam[row[j] * p + c]
            V[i * n + j] = total * size[i] * size[j]
    eigh(V, n, values, scratch)
    null = counter()
    for i in range(n):
        if values[i] < NULL * NULL:
            for a in range(n):
                V[i * n + a], V[null * n + a] = V[null * n + a], V[i * n + a]
            null += 1
    return null, V


@jit(entry=False, owns=True)
def leave(theta, away, epsilon, which):
    """θ of λλ' + ε²vv' in the place of λλ', factored back to lower-triangular form.

    A rotation of each column of λ with what is left of εv, which zeroes that entry by entry, and
    is as exact where λ is singular.
    """
    nθ = which.shape[1]
    rest = epsilon * away
    for d in range(nθ):
        diagonal = which[3, d]
        if which[1, d] != which[2, d] or rest[diagonal] == 0.0:
            continue
        r = math.hypot(theta[diagonal], rest[diagonal])
        c, s = theta[diagonal] / r, rest[diagonal] / r
        for t in range(nθ):  # entries of this column, and of v in their rows
            if which[0, t] == which[0, d] and which[2, t] == which[2, d]:
                for e in range(nθ):
                    if which[0, e] == which[0, d] and which[1, e] == which[2, e] == which[1, t]:
                        entry, other = theta[which[3, t]], rest[which[3, e]]
                        theta[which[3, t]] = c * entry + s * other
                        rest[which[3, e]] = c * other - s * entry


def judge(theta, joint, layout, A, work, adjoint, n):
    """The certificate at a singular θ.

    Parameters
    ----------
    theta : float64, shape (number of θ,)
    joint : Joint
        The terms' structures.
    layout : Layout
    A, work, adjoint
        With A and λ at θ, and N in `adjoint`.
    n : float
        Number of rows.

    Returns
    -------
    value : float
        The smallest eigenvalue of N on the null space of λλ', relative to the largest of N.
    whole : float
        The smallest of N as a whole.
    callable
        Function of ε: θ beside this one, at that distance in columns of size one, towards which
        the objective falls where `value` is negative, or else where `whole` is.
    """
    entries = joint.entries(theta)
    which, scale = np.empty((4, len(entries)), dtype=np.int64), np.empty(len(entries))
    away, least, values = *np.zeros((2, len(entries))), np.empty(2)
    arrays = layout.table, layout.index, A, work, adjoint, float(n), joint.free_entries
    judged(*arrays, which, scale, away, least, values)
    value, whole = values.tolist()
    if value >= ESCAPE_BELOW > whole:
        away = least

    def aside(epsilon: float) -> np.ndarray:
        there = np.array(entries)
        beside(there, away, epsilon, which)
        return joint.nearest(there)

    if joint.is_free:
        return value, whole, aside
    fall, direction = _fall(theta, joint, layout, adjoint, scale)
    if fall < min(value, whole):
        return fall, fall, lambda epsilon: theta + epsilon * direction
    return min(value, fall), min(whole, fall), aside


def _fall(theta, joint, layout, adjoint, scale) -> tuple[float, np.ndarray]:
    """The certificate of the parts whose θ are not the entries of λ, and the direction in θ."""
    table, lowest, direction = layout.table, np.inf, np.zeros(len(theta))
    sizes = np.split(scale, np.cumsum([len(s.entries) for s in joint.structures]))
    for k, columns, mine, part in joint.bound_parts():
        whole, row = joint.structures[k], table[1 + layout.order.index(k)]
        size = np.ones(whole.p)
        size[whole.entries // whole.p] = sizes[k]
        size = size[columns]
        if np.linalg.svd(size[:, None] * part.matrix(theta[mine]), compute_uv=False)[-1] >= NULL:
            continue
        at = table[0, NORMAL] + row[LAMBDA]
        N = adjoint[at : at + whole.p**2].reshape(whole.p, whole.p)[np.ix_(columns, columns)]
        value, along = part.fall(N, size)
        if value < lowest:
            lowest, direction = value, np.zeros(len(theta))
            direction[mine] = along
    return lowest, direction


@jit(takes=(TABLE, INDEX, *3 * (REALS,), NUMBER, FLAGS, TABLE, *4 * (REALS,)), owns=True)
def judged(table, index, A, work, adjoint, n, free, which, scale, away, least, values):
    """Both certificates into `values`, and what they are made of into the arrays before it.

    Entries of λ that are not free are left out.
    """
    parameters(table, index, which)
    column_sizes(table, A, which, n, scale)
    for t in range(len(free)):
        if not free[which[3, t]]:
            which[2, t] = -1  # in no column: it is part of no block
    values[0] = certify(table, work, adjoint, which, scale, False, away)
    values[1] = certify(table, work, adjoint, which, scale, True, least)


@jit(takes=(REALS, REALS, NUMBER, TABLE))
def beside(theta, away, epsilon, which):
    """`leave`, for Python."""
    leave(theta, away, epsilon, which)
