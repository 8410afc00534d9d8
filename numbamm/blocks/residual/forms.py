"""Quadratic forms of pairs of rows in U, which give the derivatives of R; and solutions with L.

With the rows v of a group divided by their standard deviations, M has the entries v_s'U v_t. The
objective changes with the inverse correlations Q by tr(Q̇M), and with a row's log standard deviation
by -2 (QM)_ss: see `blocks.gradient` for U, and docs/mathematics.md.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.gradient import differentiate, evaluate
from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import (
    INDEX,
    INTEGER,
    INTEGERS,
    LEVELS,
    MATRIX,
    NOTHING,
    NUMBER,
    REALS,
    TABLE,
)
from numbamm.blocks.layout import (
    COLUMN,
    D0,
    DENSE,
    DIAG,
    GRADIENT,
    ND,
    NESTED,
    NHEAD,
    NLEVEL,
    NTERM,
    NX,
    ORDER,
    ROW,
    TAIL_U,
    THETA,
    P,
)
from numbamm.blocks.solve import eliminate_level


@jit(takes=(REALS, TABLE, INDEX, *3 * (REALS,), INTEGERS, NUMBER, NUMBER, REALS))
def objective_gradient(theta, table, index, A, work, adjoint, degrees, constant, sigma, slopes):
    """As `gradient.objective_gradient`, and U on the whole pattern of A is left in `adjoint`."""
    value = evaluate(theta, table, index, A, work, adjoint, degrees, constant, sigma)
    if value == value:
        differentiate(table, index, A, work, adjoint, degrees, sigma, True)
        places = index[table[0, THETA] : table[0, THETA] + len(slopes)]
        for t in range(len(slopes)):
            slopes[t] = adjoint[table[0, GRADIENT] + places[t]]
    return value


@jit(
    takes=(
        LEVELS,
        *3 * (MATRIX,),
        REALS,
        INTEGERS,
        INTEGERS,
        INTEGER,
        TABLE,
        REALS,
        REALS,
        REALS,
    ),
    gives=NOTHING,
    owns=True,
)
def pair_forms(refs, z, xy, xyu, Q, offset, start, band, table, adjoint, M, diagonal):
    """M of every group, and the diagonal of QM.

    Parameters
    ----------
    refs, z, xy, Q, offset, start, band, table
        As for `group_products.crossprod`.
    xyu : float64, shape (n, nx + 1)
        xy times U of X and y.
    adjoint : float64
        With U on the pattern of A; see `gradient.differentiate`.
    M : float64, the size of Q
        M is added to, at the places of Q; groups that share Q have their sum there.
    diagonal : float64, shape (n,)
        Filled with (QM)_ss.
    """
    nterm, nhead, nxy = table[0, NTERM], table[0, NHEAD], table[0, NX] + 1
    longest, width = 0, nxy
    for g in range(len(offset)):
        longest = max(longest, start[g + 1] - start[g])
    for k in range(nhead):
        width += table[1 + k, P]
    left, right = np.empty((longest, width)), np.empty((longest, width))
    diagonal[:] = 0.0
    for g in range(len(offset)):
        first, m = start[g], start[g + 1] - start[g]
        stride, shift, reach = (m, 0, m) if band < 0 else (1, 1, band)
        for a in range(m):
            _sides(first + a, refs, z, xy, xyu, table, adjoint, left[a], right[a])
        for a in range(m):
            for b in range(max(0, a - reach), a + 1):
                value = 0.0
                for c in range(width):
                    value += left[a, c] * right[b, c] + left[b, c] * right[a, c]
                value *= 0.5
                if nhead < nterm:
                    value += _tail_form(first + a, first + b, refs, z, table, adjoint)
                at = offset[g] + a * stride + b + shift
                M[at] += value
                diagonal[first + a] += Q[at] * value
                if b < a:
                    diagonal[first + b] += Q[at] * value
                    if band < 0:
                        M[offset[g] + b * stride + a] += value


@jit
def _sides(row, refs, z, xy, xyu, table, adjoint, left, right):
    """Vectors whose product, made symmetric, is the form but for pairs of the tail's terms."""
    nterm, nhead, nxy, m = table[0, NTERM], table[0, NHEAD], table[0, NX] + 1, table[0, ORDER]
    for c in range(nxy):
        left[c], right[c] = xyu[row, c], xy[row, c]
    at_own = counter()
    at_own += nxy
    for k in range(nterm):
        p, column, level = table[1 + k, P], table[1 + k, COLUMN], refs[k, row]
        for b in range(p):
            if k < nhead:
                nd = table[1 + k, ND]
                at = table[1 + k, DENSE] + (level * p + b) * nd + m - nxy - table[1 + k, D0]
            else:
                at = table[0, TAIL_U] + (table[1 + k, ROW] + level * p + b) * m + m - nxy
            factor = 2.0 * z[row, column + b]
            for c in range(nxy):
                left[c] += factor * adjoint[at + c]
        if k >= nhead:
            continue
        for b in range(p):
            left[at_own + b] = z[row, column + b]
            total = 0.0
            for a in range(p):
                at = table[1 + k, DIAG] + level * p * p
                total += adjoint[at + b * p + a] * z[row, column + a]
            for i in range(k + 1, nterm):
                pi, column_i = table[1 + i, P], table[1 + i, COLUMN]
                if i < nhead:
                    at = table[1 + nterm + k * nhead + i, NESTED] + level * pi * p + b
                    step = p
                else:
                    at = table[1 + k, DENSE] + (level * p + b) * table[1 + k, ND]
                    at += table[1 + i, ROW] - table[1 + k, D0] + refs[i, row] * pi
                    step = 1
                for a in range(pi):
                    total += 2.0 * adjoint[at + a * step] * z[row, column_i + a]
            right[at_own + b] = total
        at_own += p


@jit
def _tail_form(s, t, refs, z, table, adjoint):
    """The form of two rows in the blocks of U between the tail's terms."""
    m, total = table[0, ORDER], 0.0
    for k in range(table[0, NHEAD], table[0, NTERM]):
        p, column = table[1 + k, P], table[1 + k, COLUMN]
        for i in range(table[0, NHEAD], table[0, NTERM]):
            pi, column_i = table[1 + i, P], table[1 + i, COLUMN]
            for a in range(p):
                r = table[1 + k, ROW] + refs[k, s] * p + a
                for b in range(pi):
                    c = table[1 + i, ROW] + refs[i, t] * pi + b
                    u = adjoint[table[0, TAIL_U] + min(r, c) * m + max(r, c)]
                    total += z[s, column + a] * u * z[t, column_i + b]
    return total


@jit(takes=(INTEGERS, TABLE, INDEX, REALS, MATRIX, MATRIX), gives=NOTHING)
def eliminate(starts, table, index, work, head, tail):
    """L⁻¹Λ'R of the head's rows, for several right-hand sides R; the tail is updated.

    Parameters
    ----------
    starts : int64, shape (number of head terms,)
        The first random effect of each.
    table, index, work
        Layout, and the workspace as `cholesky.factorize` left it.
    head : float64, shape (columns, random effects of the head)
        R of the head, in the table's order; overwritten by the solution.
    tail : float64, shape (columns, m)
        R of the tail; what the head explains is subtracted.
    """
    for c in range(head.shape[0]):
        for k in range(table[0, NHEAD]):
            for level in range(table[1 + k, NLEVEL]):
                eliminate_level(k, level, starts, table, index, work, head[c], tail[c])
