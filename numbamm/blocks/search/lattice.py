"""Where the searches of many responses should begin: `optimize.valleys`, compiled.

The points of the lattice are the same for all responses of a design, and so is the factor of [Z X]
at each of them: it is computed once, and kept. An evaluation for another response is then a forward
substitution; see `response_norm`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba.types import Tuple

from numbamm.blocks.cholesky import DEGREES, REML, factorize
from numbamm.blocks.information import parameters, square_blocks
from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import INTEGERS, LEVELS, MATRIX, REALS, record
from numbamm.blocks.layout import COLUMN, LAMBDA, MOVED, NTHETA, NX, ORDER, TAIL, P
from numbamm.blocks.search.evaluation import MODEL
from numbamm.blocks.search.response_norm import response_norm, vector_length
from numbamm.blocks.search.response_rows import load_response
from numbamm.blocks.search.rotations import fold

#: Length of the table of known values, a power of two; where it is full, values are not kept.
KNOWN = 4096


class Lattice(NamedTuple):
    """The lattice of a design, and what is known at its points.

    Attributes
    ----------
    scales : float64
        The scales in each coordinate.
    seeds : int64
        Positions of the scales where descents begin, the same in all coordinates.
    others : float64
        Scales of further starts, the same in all coordinates.
    change : float64
        M of every term, row by row, at the places of λ; see `models.spaces.coordinates`.
    position : int64
        For each column of Z, in the table's order, which coordinate is its scale.
    factors : float64, shape (points kept, size_work)
        L at points of the lattice.
    logdets : float64, shape (points kept,)
    points : int64, shape (points kept,)
        Codes of these points, -1 for none.
    codes, passed : int64, shape (KNOWN,)
        Codes of the points whose objective is known for this response; whether a descent has
        passed there.
    values : float64, shape (KNOWN,)
    """

    scales: np.ndarray
    seeds: np.ndarray
    others: np.ndarray
    change: np.ndarray
    position: np.ndarray
    factors: np.ndarray
    logdets: np.ndarray
    points: np.ndarray
    codes: np.ndarray
    passed: np.ndarray
    values: np.ndarray


LATTICE = record(
    Lattice,
    **dict.fromkeys(("scales", "others", "change", "logdets", "values"), REALS),
    **dict.fromkeys(("seeds", "position", "points", "codes", "passed"), INTEGERS),
    factors=MATRIX,
)


@jit(
    takes=(
        *(MATRIX, MATRIX, INTEGERS, REALS, MODEL, LATTICE),
        *(Tuple((LEVELS, MATRIX, MATRIX, LEVELS)), MATRIX, MATRIX, MATRIX, INTEGERS),
    ),
    owns=True,
)
def lattice_starts(y, kept, rows_of, sigmas, model, lattice, rows, z, xy, starts, counts):
    """Fill `starts` with θ in every valley that the lattice shows, the lowest first.

    Parameters
    ----------
    y, kept, rows_of, sigmas, model, rows, z, xy
        As for `responses.fit_responses`.
    lattice : Lattice
        Of this thread.
    starts : float64, shape (batch * most, number of θ)
        The starts of each response, `most` lines for each.
    counts : int64, shape (batch,)
        Number of starts of each response.
    """
    table = model.table
    nθ, moved, ncolumn = table[0, NTHETA], table[0, MOVED], len(lattice.position)
    theta_index = np.empty((4, nθ), dtype=np.int64)
    entries = np.empty((4, moved), dtype=np.int64)
    parameters(table, model.index, theta_index)
    square_blocks(theta_index, entries)
    x, theta, v = np.empty(moved), np.empty(nθ), np.empty(vector_length(table))
    scales, vertex = np.empty(ncolumn), np.empty(ncolumn)
    index = np.empty(ncolumn, dtype=np.int64)
    most = len(starts) // max(len(y), 1)
    values = np.empty(most)
    degrees = model.degrees
    for i in range(len(y)):
        if load_response(i, y, kept, rows_of, model, rows, z, xy):
            lattice.points[:] = -1  # other rows have other factors
        lattice.codes[:] = -1
        lattice.passed[:] = 0
        arguments = (
            *(table, model.index, model.A, model.work, degrees, sigmas[i]),
            *(lattice, entries, x, theta, v, scales),
        )
        count = counter()
        for seed in lattice.seeds:
            index[:] = seed
            if not _descend(index, arguments):
                continue
            low = _value(index, arguments)
            if not low < np.inf:
                continue
            low = _parabolas(index, low, vertex, arguments)
            at = count  # in order of the values
            while at > 0 and values[at - 1] > low:
                at -= 1
            for j in range(count, at, -1):
                values[j] = values[j - 1]
                starts[i * most + j] = starts[i * most + j - 1]
            _place(vertex, lattice, table, entries, x, starts[i * most + at])
            values[at] = low
            count += 1
        for scale in lattice.others:
            scales[:] = scale
            _place(scales, lattice, table, entries, x, starts[i * most + count])
            count += 1
        counts[i] = count


@jit
def _place(scales, lattice, table, entries, x, theta):
    """θ of scales in uncorrelated columns of size one."""
    for i in range(len(x)):
        k, row, column = entries[0, i], entries[1, i], entries[2, i]
        at = table[1 + k, LAMBDA] - table[1, LAMBDA] + row * table[1 + k, P] + column
        x[i] = lattice.change[at] * scales[lattice.position[table[1 + k, COLUMN] + column]]
    fold(x, entries, theta)


@jit
def _objective(logdet, r2, degrees, sigma):
    """The objective but for its constant."""
    if not r2 > 0.0:
        return np.inf
    if sigma > 0.0:
        f = logdet + r2 / (sigma * sigma)
    else:
        f = logdet + degrees[DEGREES] * math.log(r2)
    return f if np.isfinite(f) else np.inf


@jit
def _factor(theta, table, index, A, work, degrees):
    """Fill `work` with L(θ); returns its log-determinant, that of the rows of X under REML too."""
    logdet = factorize(theta, table, index, A, work)
    if degrees[REML] != 0:
        m, nx = table[0, ORDER], table[0, NX]
        for i in range(m - nx - 1, m - 1):
            logdet += 2.0 * math.log(work[table[0, TAIL] + i * m + i])
    return logdet


@jit
def _known(code, lattice):
    """The place of a point in the table of known values; -1 if it is full."""
    at = (code * 40503) & (KNOWN - 1)
    for _ in range(KNOWN):
        if lattice.codes[at] == code or lattice.codes[at] == -1:
            return at
        at = (at + 1) & (KNOWN - 1)
    return -1


@jit
def _code(index, lattice):
    code = counter()
    for i in index:
        code = code * len(lattice.scales) + i
    return code


@jit
def _value(index, arguments):
    """The objective at a point of the lattice."""
    table, layout_index, A, _, degrees, sigma, lattice, entries, x, theta, v, scales = arguments
    code = _code(index, lattice)
    at = _known(code, lattice)
    if at >= 0 and lattice.codes[at] == code:
        return lattice.values[at]
    slot = code % len(lattice.points)
    factor = lattice.factors[slot]
    if lattice.points[slot] != code:
        for i in range(len(index)):
            scales[i] = lattice.scales[index[i]]
        _place(scales, lattice, table, entries, x, theta)
        lattice.logdets[slot] = _factor(theta, table, layout_index, A, factor, degrees)
        lattice.points[slot] = code
    r2 = response_norm(table, layout_index, A, factor, v)
    f = _objective(lattice.logdets[slot], r2, degrees, sigma)
    if at >= 0:
        lattice.codes[at], lattice.values[at] = code, f
    return f


@jit
def _descend(index, arguments):
    """Go downhill from a point as far as possible; False where another descent has passed."""
    lattice = arguments[6]
    here, moved = _value(index, arguments), True
    while moved:
        at = _known(_code(index, lattice), lattice)
        if at >= 0:
            if lattice.passed[at] != 0:
                return False
            lattice.passed[at] = 1
        moved = False
        for d in range(len(index)):
            before = index[d]
            for near in (before - 1, before + 1):
                if not 0 <= near < len(lattice.scales):
                    continue
                index[d] = near
                f = _value(index, arguments)
                if f < here:
                    here, moved = f, True
                    break
                index[d] = before
    return True


@jit
def _parabolas(index, low, vertex, arguments):
    """Move a point to the minima of parabolas in the logarithm of each scale, if that is lower.

    `vertex` is filled with the point's scales, or those of the minima; returns the objective there.
    """
    table, layout_index, A, work, degrees, sigma, lattice, entries, x, theta, _, _ = arguments
    moved = False
    for d in range(len(index)):
        at = index[d]
        scale = vertex[d] = lattice.scales[at]
        if not 1 < at < len(lattice.scales) - 1:  # zero has no logarithm
            continue
        step = lattice.scales[at + 1] / scale
        if step != scale / lattice.scales[at - 1]:
            continue
        index[d] = at - 1
        before = _value(index, arguments)
        index[d] = at + 1
        after = _value(index, arguments)
        index[d] = at
        curvature = before - 2.0 * low + after
        if 0.0 < curvature < np.inf:
            vertex[d] = scale * step ** (0.5 * (before - after) / curvature)
            moved = moved or vertex[d] != scale
    if moved:
        _place(vertex, lattice, table, entries, x, theta)
        logdet = _factor(theta, table, layout_index, A, work, degrees)
        r = work[table[0, TAIL] + table[0, ORDER] ** 2 - 1]
        f = _objective(logdet, r * r, degrees, sigma)
        if f < low:
            return f
    for d in range(len(index)):
        vertex[d] = lattice.scales[index[d]]
    return low
