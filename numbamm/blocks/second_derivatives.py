"""Exact second derivatives of -2 log-likelihood in the variances, for many responses.

As `inference.fixed.response_covariance`, which explains the parameters, the directions E and the
matrices M, B and c, for the models of one design one after the other. With U = B Φ^½, c over σ, and
[M B c] times σ², σ itself is in none of the sums:

    traces   tr(E_s M E_t M)      reml    tr(U'E_s M E_t U)      first   [U c]'E_s[U c]

A component is a group of levels that rows connect, in dense matrices of its order; a model with one
factor, or with nested ones, has only small ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbamm.blocks.cholesky import DEGREES, REML, lower_factor
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGERS, MATRIX, REALS, TABLE, record
from numbamm.blocks.lapack import LEFT, LOWER, NO, TRANSPOSED, dgemm, dtrsm
from numbamm.blocks.layout import COLUMN, LAMBDA, NTERM, NX, ORDER, TAIL, P
from numbamm.blocks.vectors import copy, dot

#: Up to this order plain loops are faster than calls of BLAS.
SMALL = 16


class Components(NamedTuple):
    """The components of a design, and buffers for them.

    Attributes
    ----------
    sizes : int64, shape (components,)
        Order of each: its number of random effects.
    columns, products, blocks : int64, shape (components + 1,)
        Where each begins among all random effects, in `products_of`, and in the blocks.
    terms, places : int64, shape (blocks,)
        Each level's term, in the table's order, and first column within its component.
    of_row : int64, shape (n,)
        Component of each row.
    place : int64, shape (K, n)
        First column, within the component, of each row's level of each term.
    products_of : float64
        Z'WZ of each component, column by column.
    cross : float64, shape (random effects, nx + 1)
        Z'WX, and Z'W(y - Xβ).
    scratch : float64
        See `scratch_size`.
    """

    sizes: np.ndarray
    columns: np.ndarray
    products: np.ndarray
    blocks: np.ndarray
    terms: np.ndarray
    places: np.ndarray
    of_row: np.ndarray
    place: np.ndarray
    products_of: np.ndarray
    cross: np.ndarray
    scratch: np.ndarray


COMPONENTS = record(
    Components,
    **dict.fromkeys(
        ("sizes", "columns", "products", "blocks", "terms", "places", "of_row"), INTEGERS
    ),
    place=TABLE,
    cross=MATRIX,
    **dict.fromkeys(("products_of", "scratch"), REALS),
)


def scratch_size(order: int, nx: int, ntheta: int) -> int:
    """Length of `Components.scratch`, given the largest order of a component."""
    return order * (order + 2 * (order + nx + 1) + (ntheta + 1) * (nx + 1))


class Second(NamedTuple):
    """Second derivatives of one response, and what else follows from the same sums.

    The first parameter is log σ²; the others are the free entries of λλ', in the order of θ.

    Attributes
    ----------
    traces : float64, shape (1 + number of θ, 1 + number of θ)
        tr(V⁻¹V_sV⁻¹V_t).
    expected : float64, of the same shape
        Expected second derivatives: these traces, or tr(PV_sPV_t) under REML.
    squares : float64, of the same shape
        y'PV_sPV_tPy. The second derivatives are twice these less the expected ones.
    first : float64, shape (number of θ * (nx + 1), nx + 1)
        [U c]'E_s[U c] for each direction.
    slopes : float64
        Derivatives by λλ' of every term, at the places of λ; zero at a regular optimum.
    """

    traces: np.ndarray
    expected: np.ndarray
    squares: np.ndarray
    first: np.ndarray
    slopes: np.ndarray


SECOND = record(Second, traces=MATRIX, expected=MATRIX, squares=MATRIX, first=MATRIX, slopes=REALS)


@jit(entry=False)
def fill_products(table, z, xy, parts):
    """Z'WZ of the components, and Z'WX, from the rows."""
    nx, nterm = table[0, NX], table[0, NTERM]
    parts.products_of[:] = 0.0
    parts.cross[:] = 0.0
    for row in range(len(z)):
        component = parts.of_row[row]
        q, first = parts.sizes[component], parts.columns[component]
        out = parts.products_of[parts.products[component] : parts.products[component + 1]]
        for k in range(nterm):
            p, column, at = table[1 + k, P], table[1 + k, COLUMN], parts.place[k, row]
            for a in range(p):
                factor = z[row, column + a]
                for c in range(nx):
                    parts.cross[first + at + a, c] += factor * xy[row, c]
                for i in range(nterm):
                    to, other = parts.place[i, row], table[1 + i, COLUMN]
                    target = out[(at + a) * q + to : (at + a) * q + to + table[1 + i, P]]
                    for b in range(len(target)):
                        target[b] += factor * z[row, other + b]


@jit(entry=False)
def fill_residuals(table, z, xy, gamma, parts):
    """Z'W(y - Xβ), from the rows."""
    nx, nterm = table[0, NX], table[0, NTERM]
    parts.cross[:, nx] = 0.0
    for row in range(len(z)):
        first, left = parts.columns[parts.of_row[row]], xy[row, nx]
        for c in range(nx):
            left -= xy[row, c] * gamma[c]
        for k in range(nterm):
            at, column = first + parts.place[k, row], table[1 + k, COLUMN]
            for a in range(table[1 + k, P]):
                parts.cross[at + a, nx] += z[row, column + a] * left


@jit(entry=False)
def second_derivatives(table, work, degrees, sigma, theta_index, parts, second):
    """Fill `second` at the λ and L in `work`, after `fill_products` and `fill_residuals`.

    Parameters
    ----------
    table, work, degrees
        As for `by_differences.objective`.
    sigma : float64
        The residual standard deviation on the scale of y in A, also where it is estimated.
    theta_index : int64, shape (4, number of θ)
        See `information.parameters`.
    parts : Components
    second : Second
    """
    nx, nθ = table[0, NX], theta_index.shape[1]
    second.traces[:] = 0.0
    second.expected[:] = 0.0
    second.squares[:] = 0.0
    second.first[:] = 0.0
    second.slopes[:] = 0.0
    restricted = degrees[REML] != 0
    for component in range(len(parts.sizes)):
        q = parts.sizes[component]
        out = parts.scratch[q * q : q * q + q * (q + nx + 1)]
        _products(component, table, work, sigma, parts, out)
        _add_first(component, out, table, restricted, theta_index, parts, second)
        _add_second(component, out, table, restricted, theta_index, parts, second)
    width = nx + 1
    for t in range(1, 1 + nθ):
        F = second.first[(t - 1) * width : t * width]
        for s in range(1, 1 + t):
            G = second.first[(s - 1) * width : s * width]
            explained = both = 0.0
            for a in range(nx):
                explained += F[nx, a] * G[nx, a]
                for b in range(nx):
                    both += F[a, b] * G[b, a]
            second.squares[t, s] -= explained
            second.expected[t, s] += second.traces[t, s] + (both if restricted else 0.0)
            second.squares[s, t] = second.squares[t, s]
            second.traces[s, t] = second.traces[t, s]
            second.expected[s, t] = second.expected[t, s]
        second.traces[t, 0] = second.expected[0, t] = second.traces[0, t]
        if restricted:
            for a in range(nx):
                second.expected[0, t] -= F[a, a]
        second.expected[t, 0] = second.expected[0, t]
        second.squares[0, t] = second.squares[t, 0] = F[nx, nx]
    d = degrees[DEGREES]
    second.expected[0, 0] = second.squares[0, 0] = d
    second.traces[0, 0] = d + (nx if restricted else 0)


@jit
def _products(component, table, work, sigma, parts, out):
    """Fill σ²[M B c] of a component, with U in the place of σ²B and σc of σ²c, column by column."""
    nx, m = table[0, NX], table[0, ORDER]
    q, first = parts.sizes[component], parts.columns[component]
    width = q + nx + 1
    omega, W = parts.scratch[: q * q], parts.scratch[q * (q + width) : q * (q + 2 * width)]
    copy(parts.products_of[parts.products[component] : parts.products[component + 1]], out[: q * q])
    for c in range(nx + 1):
        for i in range(q):
            out[(q + c) * q + i] = parts.cross[first + i, c]
    copy(out, W)
    for block in range(parts.blocks[component], parts.blocks[component + 1]):
        k, at = parts.terms[block], parts.places[block]
        p = table[1 + k, P]
        lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
        for c in range(width):
            _lambda_transposed(lam, p, W[c * q + at : c * q + at + p])
    for block in range(parts.blocks[component], parts.blocks[component + 1]):
        k, at = parts.terms[block], parts.places[block]
        p = table[1 + k, P]
        lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p]
        for b in range(p):
            target = omega[(at + b) * q : (at + b + 1) * q]
            target[:] = 0.0
            for a in range(b, p):
                factor = lam[a * p + b]
                for i in range(q):
                    target[i] += factor * W[(at + a) * q + i]
            target[at + b] += 1.0
    lower_factor(omega, q)  # of I and more, which does not fail but for NaN
    if q <= SMALL:
        for c in range(width):
            column = W[c * q : (c + 1) * q]
            for j in range(q):
                column[j] /= omega[j * q + j]
                for i in range(j + 1, q):
                    column[i] -= omega[j * q + i] * column[j]
        for c in range(width):
            column = W[c * q : (c + 1) * q]
            for i in range(q):
                out[c * q + i] -= dot(W[i * q : (i + 1) * q], column)
    else:
        dtrsm(LEFT, LOWER, NO, NO, q, width, 1.0, omega, q, W, q)
        dgemm(TRANSPOSED, NO, q, width, q, -1.0, W, q, W, q, 1.0, out, q)
    T, z = work[table[0, TAIL] : table[0, TAIL] + m * m], m - 1 - nx
    for c in range(nx):
        column = out[(q + c) * q : (q + c + 1) * q]
        for j in range(c):
            factor = T[(z + j) * m + z + c]
            for i in range(q):
                column[i] -= factor * out[(q + j) * q + i]
        for i in range(q):
            column[i] /= T[(z + c) * m + z + c]
    for i in range(q):
        out[(q + nx) * q + i] /= sigma


@jit
def _lambda_transposed(lam, p, w):
    """λ'w of one level, in place."""
    for c in range(p):
        total = 0.0
        for a in range(c, p):
            total += lam[a * p + c] * w[a]
        w[c] = total


@jit
def _entry(theta_index, t):
    """Term, row and column in λ, and position of a θ."""
    return theta_index[0, t], theta_index[1, t], theta_index[2, t], theta_index[3, t]


@jit
def _add_first(component, out, table, restricted, theta_index, parts, second):
    """Add a component's share to the sums in which M is a factor once, or not at all."""
    nx, q = table[0, NX], parts.sizes[component]
    width, V = nx + 1, out[q * q :]
    for t in range(theta_index.shape[1]):
        k, a, b, place = _entry(theta_index, t)
        F = second.first[place * width : (place + 1) * width]
        for block in range(parts.blocks[component], parts.blocks[component + 1]):
            if parts.terms[block] != k:
                continue
            at = parts.places[block]
            i, j = at + a, at + b
            if a == b:
                second.traces[0, 1 + place] += out[i * q + i]
                for x in range(width):
                    for y in range(width):
                        F[x, y] += V[x * q + i] * V[y * q + i]
            else:
                second.traces[0, 1 + place] += 2.0 * out[i * q + j]
                for x in range(width):
                    for y in range(width):
                        F[x, y] += V[x * q + i] * V[y * q + j] + V[x * q + j] * V[y * q + i]
    for block in range(parts.blocks[component], parts.blocks[component + 1]):
        k, at = parts.terms[block], parts.places[block]
        p, to = table[1 + k, P], table[1 + k, LAMBDA] - table[1, LAMBDA]
        for a in range(p):
            for b in range(p):
                value = out[(at + a) * q + at + b]
                for x in range(nx + 1):
                    if restricted or x == nx:
                        value -= V[x * q + at + a] * V[x * q + at + b]
                second.slopes[to + a * p + b] += value


@jit
def _add_second(component, out, table, restricted, theta_index, parts, second):
    """Add a component's share to the sums in which M is a factor twice, or between two E."""
    nx, q, nθ = table[0, NX], parts.sizes[component], theta_index.shape[1]
    width, V = nx + 1, out[q * q :]
    rest = parts.scratch[q * (q + 2 * (q + width)) :]
    EV, G = rest[: nθ * q * width], rest[nθ * q * width :]
    EV[:] = 0.0
    first, last = parts.blocks[component], parts.blocks[component + 1]
    for t in range(nθ):
        k, a, b, place = _entry(theta_index, t)
        target = EV[place * q * width : (place + 1) * q * width]
        for block in range(first, last):
            if parts.terms[block] == k:
                at = parts.places[block]
                for x in range(width):
                    target[x * q + at + a] += V[x * q + at + b]
                    if a != b:
                        target[x * q + at + b] += V[x * q + at + a]
    for t in range(nθ):
        source = EV[t * q * width : (t + 1) * q * width]
        for x in range(0 if restricted else nx, width):
            column = G[x * q : (x + 1) * q]
            column[:] = 0.0
            for j in range(q):
                factor = source[x * q + j]
                if factor != 0.0:
                    for i in range(q):
                        column[i] += factor * out[j * q + i]
            for s in range(t + 1):
                at = (s * width + x) * q
                product = dot(EV[at : at + q], column)
                if x == nx:
                    second.squares[1 + t, 1 + s] += product
                else:
                    second.expected[1 + t, 1 + s] -= 2.0 * product
    for u in range(nθ):
        k, a, b, t = _entry(theta_index, u)
        for v in range(nθ):
            l, c, d, s = _entry(theta_index, v)
            if s > t:
                continue
            total = 0.0
            for block in range(first, last):
                if parts.terms[block] != k:
                    continue
                i, j = parts.places[block] + a, parts.places[block] + b
                for other in range(first, last):
                    if parts.terms[other] != l:
                        continue
                    g, h = parts.places[other] + c, parts.places[other] + d
                    total += out[g * q + i] * out[h * q + j] + out[h * q + i] * out[g * q + j]
            factor = (0.5 if a == b else 1.0) * (0.5 if c == d else 1.0)
            second.traces[1 + t, 1 + s] += 2.0 * factor * total
