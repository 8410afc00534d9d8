"""Conjugate gradients for many right-hand sides at once, and the Lanczos matrices they give.

Each column has its own step lengths; all share one product with the matrix an iteration. With step
lengths α and β, the Lanczos matrix T of a column, whose first vector is the right-hand side, has

    T_ii = 1/α_i + β_{i-1}/α_{i-1}      T_{i,i+1} = √β_i / α_i

Sources: Hestenes & Stiefel (1952), J. Res. Natl. Bur. Stand. 49, 409-436; Saad (2003), Iterative
Methods for Sparse Linear Systems, section 6.7.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from numbamm.blocks.jit import FUSE, jit
from numbamm.blocks.kinds import MATRIX, NOTHING, REALS

#: Columns whose residuals are below this share of their right-hand sides take no further steps.
EXHAUSTED = 1e-15


class NoConvergence(Exception):
    """The residuals are still too large after the greatest number of iterations."""


class Solutions(NamedTuple):
    """Solutions, and how they were found.

    Attributes
    ----------
    x : ndarray, shape (n, columns)
        Row-major, as the right-hand sides.
    alpha, beta : ndarray, shape (iterations, columns)
        Step lengths of the solutions and of the directions; zero for columns that were exhausted.
    """

    x: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray

    @property
    def iterations(self) -> int:
        return len(self.alpha)


def solve(times: Callable, right: np.ndarray, tolerance: float, most: int) -> Solutions:
    """Solve S x = b for every column b.

    Parameters
    ----------
    times : callable
        Takes columns, shape (n, columns), and fills another array of this shape with S times them.
    right : ndarray of float64, shape (n, columns)
    tolerance : float
        Largest norm of a residual, as a share of that of its right-hand side.
    most : int
        Greatest number of iterations.

    Raises
    ------
    NoConvergence
    """
    x, r, p = np.zeros_like(right), right.copy(), right.copy()
    q = np.empty_like(right)
    rr = np.einsum("ij,ij->j", r, r)
    enough, exhausted = tolerance**2 * rr, EXHAUSTED**2 * rr
    alphas, betas = [], []
    while not (rr <= enough).all():
        if len(alphas) == most or not np.isfinite(rr).all():
            raise NoConvergence
        times(p, q)
        pq = np.einsum("ij,ij->j", p, q)
        live = (rr > exhausted) & (pq > 0)
        alpha = np.divide(rr, pq, out=np.zeros_like(rr), where=live)
        after = np.empty_like(rr)
        advance(alpha, p, q, x, r, after)
        beta = np.divide(after, rr, out=np.zeros_like(rr), where=live)
        turn(beta, r, p)
        alphas.append(alpha)
        betas.append(beta)
        rr = after
    shape = (len(alphas), right.shape[1])
    return Solutions(x, np.reshape(alphas, shape), np.reshape(betas, shape))


def lanczos_matrix(alpha: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Diagonal and off-diagonal of a column's T, from its step lengths.

    Parameters
    ----------
    alpha, beta : ndarray, shape (iterations,)
    """
    live = alpha > 0
    alpha, beta = alpha[live], beta[live]
    diagonal = 1 / alpha
    diagonal[1:] += beta[:-1] / alpha[:-1]
    return diagonal, np.sqrt(beta[:-1]) / alpha[:-1]


@jit(takes=(REALS, *4 * (MATRIX,), REALS), fastmath=FUSE)
def advance(alpha, p, q, x, r, rr):
    """x += α p, r -= α q, and the squared norms of r."""
    for c in range(len(alpha)):
        rr[c] = 0.0
    for i in range(len(x)):
        p_i, q_i, x_i, r_i = p[i], q[i], x[i], r[i]
        for c in range(len(alpha)):
            x_i[c] += alpha[c] * p_i[c]
            r_i[c] -= alpha[c] * q_i[c]
            rr[c] += r_i[c] * r_i[c]


@jit(takes=(REALS, MATRIX, MATRIX), gives=NOTHING)
def turn(beta, r, p):
    """p = r + β p."""
    for i in range(len(p)):
        r_i, p_i = r[i], p[i]
        for c in range(len(beta)):
            p_i[c] = r_i[c] + beta[c] * p_i[c]
