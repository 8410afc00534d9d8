"""The certificate of a singular fit, which distinguishes local minima from saddle points.

The objective depends on λ only through λλ', and its gradient is 2Nλ. On the null space of λλ' the
gradient therefore vanishes, even where the objective decreases. At a minimum over a full template,
N is positive semidefinite on that null space. The certificate is the smallest eigenvalue of N
there, relative to the largest of N. If it is negative, with eigenvector v, the fit is a false
optimum: the objective decreases from λλ' towards λλ' + ε²vv', along the *escape direction* v. A
template with structural zeros consists of full blocks (of order one, if it is diagonal), and each
block has its own certificate.

At a stationary point Nλ = 0. A search with bounds may end where Nλ ≠ 0, since the objective
decreases beyond a bound at 0, where λ has another sign. N as a whole then has a negative
eigenvalue, and its eigenvector is the escape direction.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.eigen import eigh
from numbamm.blocks.information import parameters
from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import FLAG, FLAGS, INDEX, NUMBER, REALS, TABLE
from numbamm.blocks.layout import DIAG, LAMBDA, NLEVEL, NORMAL, P

#: A direction is null if λ'v is shorter than this, in columns with root mean square 1.
NULL = 1e-3
#: A search with derivatives, which ends at a stationary point up to rounding errors, escapes if the
#: certificate is below this. Other searches end less exactly, and what is reported about an end has
#: a tolerance ten times as large: `optimize.local_minimum.is_minimum`.
ESCAPE_BELOW = -1e-6


@jit(entry=False)
def column_sizes(table, A, theta_index, n, sizes):
    """Root mean square of the column of Z that belongs to the row in λ of each θ; 1 for zeros.

    `sizes` is in the caller's order of θ.
    """
    sizes[:] = 1.0
    for t in range(len(sizes)):
        k = theta_index[0, t]
        p, total = table[1 + k, P], 0.0
        at = table[1 + k, DIAG] + theta_index[1, t] * (p + 1)
        for level in range(table[1 + k, NLEVEL]):
            total += A[at + level * p * p]
        if total > 0.0:
            sizes[theta_index[3, t]] = math.sqrt(total / n)


@jit(entry=False, takes=(TABLE, REALS, TABLE, REALS), gives=FLAG, owns=True)
def is_singular(table, work, theta_index, scale):
    """Whether some block of the λ in `work` has null directions, so that `certify` is finite."""
    for first in range(theta_index.shape[1]):
        if theta_index[1, first] == theta_index[2, first]:
            rows = _block(theta_index, first)
            if (
                len(rows) > 0
                and _null_space(theta_index[0, first], rows, table, work, theta_index, scale)[0]
            ):
                return True
    return False


@jit(entry=False, takes=(TABLE, REALS, REALS, TABLE, REALS, FLAG, REALS), gives=NUMBER, owns=True)
def certify(table, work, adjoint, theta_index, scale, whole, direction):
    """The certificate at the θ whose λ is in `work` and whose N is in `adjoint`.

    Parameters
    ----------
    table, work, adjoint
        As `normal.complete_normal` leaves them.
    theta_index : int64, shape (4, number of θ)
        Term, row and column in λ, and position of each θ; see `information.parameters`.
    scale : float64, shape (number of θ,)
        Filled by `column_sizes`.
    whole : bool
        Take the smallest eigenvalue of N over all directions of a singular block; if False, over
        its null directions only.
    direction : float64, shape (number of θ,)
        Filled with v, the eigenvector of the smallest eigenvalue: one entry for each θ on the
        diagonal of the block with the smallest certificate, zero elsewhere.

    Returns
    -------
    float64
        The smallest certificate of all blocks; infinite if none is singular.
    """
    lowest, nθ = np.inf, theta_index.shape[1]
    direction[:] = 0.0
    for first in range(nθ):
        k, leader = theta_index[0, first], theta_index[2, first]
        if theta_index[1, first] != leader:
            continue  # not on the diagonal
        rows = _block(theta_index, first)
        if len(rows) == 0:
            continue
        value, v = _certify_block(k, rows, table, work, adjoint, theta_index, scale, whole)
        if value < lowest:
            lowest = value
            direction[:] = 0.0
            for i in range(len(rows)):
                direction[theta_index[3, rows[i]]] = v[i]
    return lowest


@jit(owns=True)
def _block(theta_index, first):
    """Diagonal θ of the full block whose first row has the θ `first`; empty for later rows."""
    k, leader, size = theta_index[0, first], theta_index[2, first], 0
    for t in range(theta_index.shape[1]):
        if theta_index[0, t] == k:
            if theta_index[1, t] == leader and theta_index[2, t] < leader:
                return np.empty(0, dtype=np.int64)
            size += theta_index[2, t] == leader
    rows, at = np.empty(size, dtype=np.int64), 0
    for t in range(theta_index.shape[1]):
        if theta_index[0, t] == k and theta_index[2, t] == leader:
            for d in range(theta_index.shape[1]):
                if (
                    theta_index[0, d] == k
                    and theta_index[1, d] == theta_index[2, d] == theta_index[1, t]
                ):
                    rows[at] = d
            at += 1
    return rows


@jit(owns=True)
def _certify_block(k, rows, table, work, adjoint, theta_index, scale, whole):
    """Certificate and direction v for one full block of a template."""
    n, p = len(rows), table[1 + k, P]
    null, V = _null_space(k, rows, table, work, theta_index, scale)
    v = np.zeros(n)
    if null == 0:
        return np.inf, v
    null = n if whole else null
    N = adjoint[table[0, NORMAL] + table[1 + k, LAMBDA] :]
    row, size = theta_index[1, rows], scale[theta_index[3, rows]]
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
def _null_space(k, rows, table, work, theta_index, scale):
    """Number of null directions of λλ' in a block, and its eigenvectors, the null ones first."""
    n, p = len(rows), table[1 + k, P]
    lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
    row, size = theta_index[1, rows], scale[theta_index[3, rows]]
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
def add_direction(theta, direction, epsilon, theta_index):
    """Replace θ of λλ' by θ of λλ' + ε²vv': a rank-one update of the factor λ.

    Each column of λ is rotated with the rest of εv so that one more entry of the rest becomes
    zero. This is as exact for a singular λ as for a regular one.
    """
    nθ = theta_index.shape[1]
    rest = epsilon * direction
    for d in range(nθ):
        diagonal = theta_index[3, d]
        if theta_index[1, d] != theta_index[2, d] or rest[diagonal] == 0.0:
            continue
        r = math.hypot(theta[diagonal], rest[diagonal])
        c, s = theta[diagonal] / r, rest[diagonal] / r
        for t in range(nθ):  # entries of this column, and of v in their rows
            if theta_index[0, t] == theta_index[0, d] and theta_index[2, t] == theta_index[2, d]:
                for e in range(nθ):
                    if (
                        theta_index[0, e] == theta_index[0, d]
                        and theta_index[1, e] == theta_index[2, e] == theta_index[1, t]
                    ):
                        entry, other = theta[theta_index[3, t]], rest[theta_index[3, e]]
                        theta[theta_index[3, t]] = c * entry + s * other
                        rest[theta_index[3, e]] = c * other - s * entry


def judge(theta, joint, layout, A, work, adjoint, n):
    """The certificate at a singular θ.

    Parameters
    ----------
    theta : float64, shape (number of θ,)
        Parameters of the terms' structures.
    joint : Joint
        The terms' structures.
    layout : Layout
    A, work, adjoint
        The buffers at θ: λ in `work`, N in `adjoint`.
    n : float
        Number of rows.

    Returns
    -------
    value : float
        The smallest eigenvalue of N on the null space of λλ', relative to the largest of N.
    whole : float
        The smallest eigenvalue of N as a whole, relative to the largest.
    callable
        Function of ε that gives the start of an escape: θ at the distance ε, in columns of root
        mean square 1, along the escape direction of `value`; or of `whole` if only that is
        negative.
    """
    entries = joint.entries(theta)
    theta_index, scale = np.empty((4, len(entries)), dtype=np.int64), np.empty(len(entries))
    direction, whole_direction, values = *np.zeros((2, len(entries))), np.empty(2)
    arrays = layout.table, layout.index, A, work, adjoint, float(n), joint.free_entries
    certificates(*arrays, theta_index, scale, direction, whole_direction, values)
    value, whole = values.tolist()
    if value >= ESCAPE_BELOW > whole:
        direction = whole_direction

    def escape_start(epsilon: float) -> np.ndarray:
        start = np.array(entries)
        escape_entries(start, direction, epsilon, theta_index)
        return joint.nearest(start)

    if joint.is_free:
        return value, whole, escape_start
    fall, escape_along = _fall(theta, joint, layout, adjoint, scale)
    if fall < min(value, whole):
        return fall, fall, escape_along
    return min(value, fall), min(whole, fall), escape_start


def _fall(theta, joint, layout, adjoint, scale):
    """Certificate, and the start of an escape, of the parts whose θ are not the entries of λ."""
    table, lowest, place, along = layout.table, np.inf, slice(0), None
    sizes = np.split(scale, np.cumsum([len(s.entries) for s in joint.structures]))
    for k, columns, own, part in joint.bound_parts():
        whole, row = joint.structures[k], table[1 + layout.order.index(k)]
        size = np.ones(whole.p)
        size[whole.entries // whole.p] = sizes[k]
        size = size[columns]
        if np.linalg.svd(size[:, None] * part.matrix(theta[own]), compute_uv=False)[-1] >= NULL:
            continue
        at = table[0, NORMAL] + row[LAMBDA]
        N = adjoint[at : at + whole.p**2].reshape(whole.p, whole.p)[np.ix_(columns, columns)]
        value, path = part.fall(theta[own], N, np.where(size > 0, size, 1.0))
        if value < lowest:
            lowest, place, along = value, own, path

    def escape_start(epsilon: float) -> np.ndarray:
        start = np.array(theta)
        start[place] = along(epsilon)
        return start

    return lowest, escape_start


@jit(takes=(TABLE, INDEX, *3 * (REALS,), NUMBER, FLAGS, TABLE, *4 * (REALS,)), owns=True)
def certificates(
    table, index, A, work, adjoint, n, free, theta_index, scale, direction, whole_direction, values
):
    """Fill `values` with the certificates on the null space and as a whole.

    `theta_index`, `scale` and both escape directions are filled as well. Entries of λ that are not
    free are left out.
    """
    parameters(table, index, theta_index)
    column_sizes(table, A, theta_index, n, scale)
    for t in range(len(free)):
        if not free[theta_index[3, t]]:
            theta_index[2, t] = -1  # no column, so that it belongs to no block
    values[0] = certify(table, work, adjoint, theta_index, scale, False, direction)
    values[1] = certify(table, work, adjoint, theta_index, scale, True, whole_direction)


@jit(takes=(REALS, REALS, NUMBER, TABLE))
def escape_entries(theta, direction, epsilon, theta_index):
    """`add_direction` as an entry point that Python calls."""
    add_direction(theta, direction, epsilon, theta_index)
