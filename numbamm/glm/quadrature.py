"""Adaptive Gauss–Hermite quadrature for one random-effects term, scalar or vector-valued.

The likelihood is a product over levels of r-dimensional integrals. Each is computed by the product
rule of k nodes in each dimension, centred at the level's mode and scaled by the Cholesky factor of
its Hessian (Pinheiro & Chao 2006, J. Comput. Graph. Stat. 15(1)). With k = 1 it is the Laplace
approximation.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGERS, MATRIX, NUMBER, REALS
from numbamm.blocks.layout import DIAG, LAMBDA, NLEVEL, P
from numbamm.glm.row_kernels import DEVIANCE, FIRST
from numbamm.glm.working import AT, KIND, TRIAL, ask

#: Largest rule: beyond it the outermost weights underflow.
MOST_NODES = 300


@lru_cache(maxsize=8)
def nodes(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes x and log(w) + x²/2 of the k-point rule for the standard normal density, shape (k,).

    They are kept, since a search asks at each evaluation, and finding them takes longer than it.
    """
    x, w = np.polynomial.hermite_e.hermegauss(k)
    return x, np.log(w / w.sum()) + x**2 / 2


@jit(takes=(REALS, NUMBER, NUMBER, KIND, REALS, REALS, INTEGERS, MATRIX, MATRIX))
def quadrature(u, shape, dispersion, rows, x, logw, index, levels, shift):
    """-2 Σ_j log of the integral over the random effects of level j, without the constant.

    Parameters
    ----------
    u : float64, shape (q,)
        The mode.
    shape : float64
        Shape of the negative binomial.
    dispersion : float64
        φ, a factor of the random effects' variance and the divisor of the information.
    rows : Working
        As `pirls` left them at the mode, in the layout with one term and without X columns.
    x, logw : float64, shape (k,)
        From `nodes`.
    index : int64, shape (r,)
        Scratch.
    levels, shift : float64, shapes (3, number of levels), (number of levels, r)
        Scratch.

    Returns
    -------
    float64
    """
    table, work = rows.table, rows.work
    p, nlevel, k = table[1, P], table[1, NLEVEL], len(x)
    lam = work[table[1, LAMBDA] : table[1, LAMBDA] + p * p]
    L = work[table[1, DIAG] : table[1, DIAG] + p * p * nlevel]
    at_mode, at_node, total = levels[0], levels[1], levels[2]
    shift[:] = 0.0
    _levels(at_mode, u, shift, shape, rows, lam, p)
    total[:] = 0.0
    index[:] = 0
    spread = math.sqrt(dispersion)
    for _ in range(k**p):
        weight = 0.0
        for c in range(p):
            weight += logw[index[c]]
        for j in range(nlevel):
            _solve_transposed(L[j * p * p : (j + 1) * p * p], spread, x, index, shift[j], p)
        _levels(at_node, u, shift, shape, rows, lam, p)
        for j in range(nlevel):
            rise = (at_node[j] - at_mode[j]) / dispersion
            if rise == rise:  # NaN where the link does not allow the node: the density is 0 there
                total[j] += math.exp(min(weight - 0.5 * rise, 700.0))
        for c in range(p):  # the next point of the grid
            index[c] += 1
            if index[c] < k:
                break
            index[c] = 0
    result = 0.0
    for j in range(nlevel):
        result += at_mode[j] / dispersion - 2.0 * math.log(total[j])
        for c in range(p):
            result += 2.0 * math.log(L[j * p * p + c * p + c])
    return result


@jit
def _solve_transposed(L, spread, x, index, out, p):
    """out = √φ L⁻ᵀ x at the current point of the grid."""
    for c in range(p - 1, -1, -1):
        value = spread * x[index[c]]
        for a in range(c + 1, p):
            value -= L[a * p + c] * out[a]
        out[c] = value / L[c * p + c]


@jit
def _levels(out, u, shift, shape, rows, lam, p):
    """Σ w d + |u|² of each level, with u moved by `shift`."""
    z, eta, moved, row = rows.z, rows.eta[AT], rows.eta[TRIAL], rows.eta[FIRST]
    for j in range(len(out)):
        out[j] = 0.0
        for c in range(p):
            out[j] += (u[j * p + c] + shift[j, c]) ** 2
    for i in range(len(eta)):
        j, total = rows.refs[0, i], eta[i]
        for a in range(p):
            effect = 0.0
            for c in range(a + 1):
                effect += lam[a * p + c] * shift[j, c]
            total += z[i, a] * effect
        moved[i] = total
    ask(DEVIANCE, moved, shape, 0.0, rows)
    for i in range(len(eta)):
        out[rows.refs[0, i]] += row[i]
