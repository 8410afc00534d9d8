"""The exact gradient of the Laplace objective, by one adjoint solve at the mode.

Let s be the score, V the observed information, W the information in M = Λ'Z'WZΛ + I, H the same
matrix with V in place of W, and h_i = z_i'ΛM⁻¹Λ'z_i; all at the mode x of Σ w d + u'u, where x is
u, or u and γ. Then

    t_i = (dW_i/dη_i) h_i       H a = (Λ'Z't, X't)       v = t - V∘η(a) - 2s/φ

    ∂/∂γ    = X'v                                          where γ is not part of the mode
    ∂/∂λ_k  = Σ_levels (Z'v)_j u_j' + (Z's)_j a_j' + 2 (Z'WZΛM⁻¹)_jj        (lower triangle)

η(a) is the change of η along the direction a. The mode moves with every parameter, and H⁻¹ is a
factor of each of its derivatives, so that one solve with H serves all of them.

At the mode u = Λ'Z's and a = Λ'(Z'v + 2Z's/φ), so that the second line is 2N_kλ_k with

    N_k = ½ Σ_levels [(Z'v)(Z's)' + (Z's)(Z'v)' + 2(Z's)(Z's)'/φ]_jj + that of log|M|

the derivative in λ_kλ_k'. It gives the certificate of singular fits, as in a linear model.

Sources: Kristensen et al. (2016), J. Stat. Softw. 70(5), for the principle; Murray (2016), arXiv
1602.07527, for the last term.
"""

from __future__ import annotations

from numbamm.blocks.cholesky import factorize
from numbamm.blocks.gradient import differentiate, evaluate
from numbamm.blocks.jit import REASSOCIATE, jit
from numbamm.blocks.kinds import INTEGERS, MATRIX, NUMBER, REALS
from numbamm.blocks.layout import (
    COLUMN,
    D0,
    DENSE,
    DIAG,
    FIRST_DENSE,
    GRADIENT,
    LAMBDA,
    ND,
    NESTED,
    NHEAD,
    NLEVEL,
    NORMAL,
    NTERM,
    NX,
    ORDER,
    PLACES,
    ROW,
    SPARSE,
    TAIL_U,
    THETA,
    P,
)
from numbamm.blocks.normal import complete_normal
from numbamm.blocks.solve import solve
from numbamm.glm.row_kernels import (
    EXPECTED_SHAPE,
    EXPECTED_SLOPE,
    FIRST,
    OBSERVED_SHAPE,
    OBSERVED_SLOPE,
    SCORE,
    SECOND,
    THIRD,
    WEIGHT,
)
from numbamm.glm.working import (
    AT,
    CANONICAL,
    DETERMINANT,
    HELD,
    JOINT,
    KIND,
    OBSERVED,
    SHAPED,
    add_effects,
    ask,
    load_observed,
    respond,
)


@jit(takes=(REALS, REALS, NUMBER, NUMBER, KIND, REALS, MATRIX, INTEGERS, REALS))
def laplace_gradient(theta, x, shape, phi, rows, adjoint, scratch, degrees, gradient):
    """Derivatives in γ, log(shape) and θ, at the mode that `pirls` left in `rows`.

    Parameters
    ----------
    theta, x, shape, rows
        As for `pirls`, which must have been called just before: `rows` holds the weights and
        scores at the mode. It is overwritten.
    phi : float64
        Dispersion, or 1.
    adjoint : float64, shape (size_adjoint,)
        Overwritten; afterwards it holds the contribution of log|M| to G and N, for
        `laplace_normal`.
    scratch : float64, shape (4, n)
        Overwritten with h, t, η(a) and v.
    degrees : int64, shape (2,)
        Zeros.
    gradient : float64, shape (number of columns of basis + 1 + number of θ,)
        Filled. The γ part is zero where γ is part of the mode, and the shape part is zero for
        families without a shape.
    """
    table, index, y, basis = rows.table, rows.index, rows.y, rows.basis
    lines, observed = rows.eta, rows.model[DETERMINANT] == OBSERVED
    nx, q, rank = table[0, NX], len(x) - table[0, NX], basis.shape[1]
    h, t, eta_a, v = scratch[0], scratch[1], scratch[2], scratch[3]
    eta = rows.eta[AT]
    evaluate(theta, table, index, rows.A, rows.work, adjoint, degrees, 0.0, 0.0)
    differentiate(table, index, rows.A, rows.work, adjoint, degrees, 0.0, True)
    _quadratic_forms(h, rows.refs, rows.z, table, rows.places, adjoint)
    joint = rows.model[JOINT] != 0
    if joint:  # the row kernel adds up the forms of the rows of one density
        for i in range(len(y)):
            lines[THIRD, i] = h[i]
    ask(OBSERVED_SLOPE if observed else EXPECTED_SLOPE, eta, shape, 0.0, rows)
    for i in range(len(y)):
        t[i] = lines[FIRST, i] if joint else h[i] * lines[FIRST, i]
    if not observed and rows.model[CANONICAL] == 0:
        load_observed(HELD, shape, rows)
    a, b = rows.vectors[0], rows.vectors[1]
    respond(t, rows)
    factorize(theta, table, index, rows.A, rows.work)
    solve(table, index, rows.work, a, b)
    eta_a[:] = 0.0
    add_effects(eta_a, a[q : q + nx], b, rows)
    gradient[: rank + 1] = 0.0
    for i in range(len(y)):
        v[i] = t[i] - rows.eta[WEIGHT, i] * eta_a[i] - 2.0 * rows.eta[SCORE, i] / phi
    if nx == 0:
        for i in range(len(y)):
            for c in range(rank):
                gradient[c] += basis[i, c] * v[i]
    if rows.model[SHAPED] != 0:
        ask(OBSERVED_SHAPE if observed else EXPECTED_SHAPE, eta, shape, 0.0, rows)
        for i in range(len(y)):
            to_information, to_score = lines[THIRD, i], lines[SECOND, i]
            gradient[rank] += lines[FIRST, i] + h[i] * to_information + eta_a[i] * to_score
    places = index[table[0, THETA] : table[0, THETA] + len(theta)]
    slopes = gradient[rank + 1 :]
    for k in range(len(theta)):
        slopes[k] = adjoint[table[0, GRADIENT] + places[k]]
    _add_moments(x, a, v, rows, places, slopes)


@jit(takes=(REALS, NUMBER, KIND, REALS), owns=True)
def laplace_normal(v, phi, rows, adjoint):
    """Compute N of every term, into `adjoint`.

    Parameters
    ----------
    v : float64, shape (n,)
    phi, rows, adjoint
        As `laplace_gradient` left them, which must have been called just before.
    """
    complete_normal(rows.table, rows.work, adjoint)
    _add_normal(rows.vectors[0], rows.vectors[1], v, phi, rows, adjoint)


@jit
def _quadratic_forms(h, refs, z, table, places, U):
    """h_i = z_i'U z_i, from the blocks of U of the levels that meet in row i."""
    nterm, nhead = table[0, NTERM], table[0, NHEAD]
    h[:] = 0.0
    add_head_forms(h, refs, z, table, places, U)
    for k in range(nhead, nterm):
        for i in range(k, nterm):
            _add_tail_pair(h, k, i, refs, z, table, U)


@jit(entry=False)
def add_head_forms(h, refs, z, table, places, U):
    """h += what the head's terms have in z_i'U z_i, with later terms, too."""
    nterm, nhead, first_dense = table[0, NTERM], table[0, NHEAD], table[0, FIRST_DENSE]
    for k in range(nhead):
        level, p, nd = refs[k], table[1 + k, P], table[1 + k, ND]
        _add_forms(h, 1.0, k, k, level, z, table, U[table[1 + k, DIAG] :], p * p, p, 1)
        for i in range(k + 1, nhead):
            pi, start = table[1 + i, P], table[1 + nterm + k * nhead + i, NESTED]
            _add_forms(h, 2.0, k, i, level, z, table, U[start:], pi * p, p, 1)
        pair = table[1 + k, PLACES]
        for i in range(nhead, first_dense):
            _add_forms(h, 2.0, k, i, places[pair], z, table, U[table[1 + k, SPARSE] :], p, p, 1)
            pair += 1
        for i in range(first_dense, nterm):
            start = table[1 + k, DENSE] + table[1 + i, ROW] - table[1 + k, D0]
            steps = p * nd, table[1 + i, P]
            add_crossed_forms(h, 2.0, k, i, refs, z, table, U[start:], steps, 1, nd)


@jit
def _add_tail_pair(h, k, i, refs, z, table, U):
    """Add the part of h due to two terms of the tail, or to one with itself."""
    m, start = table[0, ORDER], table[0, TAIL_U] + table[1 + k, ROW] * table[0, ORDER]
    steps = table[1 + k, P] * m, table[1 + i, P]
    factor = 1.0 if i == k else 2.0
    add_crossed_forms(h, factor, k, i, refs, z, table, U[start + table[1 + i, ROW] :], steps, 1, m)


@jit
def _add_forms(h, factor, k, i, place, z, table, U, step, down, across):
    """h += factor z_i'U_ik z_k, row by row, with the row's block of U at place × step."""
    p, pi, column, column_i = _columns(k, i, table)
    for row in range(len(h)):
        at = place[row] * step
        h[row] += factor * _form(z, row, column_i, column, pi, p, U, at, down, across)


@jit(entry=False)
def add_crossed_forms(h, factor, k, i, refs, z, table, U, steps, down, across):
    """As `_add_forms`, with the block of U at the levels of both terms, times their steps."""
    p, pi, column, column_i = _columns(k, i, table)
    level, level_i, step, step_i = refs[k], refs[i], steps[0], steps[1]
    for row in range(len(h)):
        at = level[row] * step + level_i[row] * step_i
        h[row] += factor * _form(z, row, column_i, column, pi, p, U, at, down, across)


@jit
def _columns(k, i, table):
    """Widths of two terms, and their first columns in z."""
    return table[1 + k, P], table[1 + i, P], table[1 + k, COLUMN], table[1 + i, COLUMN]


@jit(forceinline=True)
def _form(z, row, left, right, pi, p, U, at, down, across):
    """z_i'U_ik z_k of one row, for a block of U with these strides."""
    if pi == 1 and p == 1:
        return z[row, left] * U[at] * z[row, right]
    total = 0.0
    for a in range(pi):
        for b in range(p):
            total += z[row, left + a] * U[at + a * down + b * across] * z[row, right + b]
    return total


@jit
def _add_moments(u, a, v, rows, places, slopes):
    """Add Σ_levels (Z'v)_j u_j' + (Z's)_j a_j' to the slopes, at the free entries of λ."""
    table, z, score, start = rows.table, rows.z, rows.eta[SCORE], 0
    for k in range(table[0, NTERM]):
        p, column, first = table[1 + k, P], table[1 + k, COLUMN], table[1 + k, LAMBDA]
        for t in range(len(places)):
            r, c = (places[t] - first) // p, (places[t] - first) % p
            if 0 <= r < p:
                slopes[t] += _moment(z[:, column + r], v, score, rows.refs[k], p, u, a, start + c)
        start += p * table[1 + k, NLEVEL]


@jit(fastmath=REASSOCIATE)
def _moment(z, v, score, refs, p, u, a, start):
    """Σ_i z_i (v_i u_j + s_i a_j) with the row's level j, for one column of a term."""
    total = 0.0
    for i in range(len(v)):
        at = start + refs[i] * p
        total += z[i] * (v[i] * u[at] + score[i] * a[at])
    return total


@jit
def _add_normal(to_v, to_s, v, phi, rows, adjoint):
    """Add the rows' part to N; `to_v` and `to_s` are scratch for Z'v and Z's of one term."""
    table, z, score = rows.table, rows.z, rows.eta[SCORE]
    for k in range(table[0, NTERM]):
        p, column = table[1 + k, P], table[1 + k, COLUMN]
        size = p * table[1 + k, NLEVEL]
        to_v[:size] = 0.0
        to_s[:size] = 0.0
        for i in range(len(v)):
            at = rows.refs[k, i] * p
            for c in range(p):
                to_v[at + c] += z[i, column + c] * v[i]
                to_s[at + c] += z[i, column + c] * score[i]
        N = adjoint[table[0, NORMAL] + table[1 + k, LAMBDA] :]
        for at in range(0, size, p):
            for a in range(p):
                for c in range(p):
                    both = to_v[at + a] * to_s[at + c] + to_s[at + a] * to_v[at + c]
                    N[a * p + c] += 0.5 * both + to_s[at + a] * to_s[at + c] / phi
