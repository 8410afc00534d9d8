"""Coordinates for a search: terms in columns that are uncorrelated and of size one, λ symmetric.

In the entries of a triangular λ the objective has curved valleys where a leading entry nearly
vanishes, and where a slope's column lies far from 0, so that intercept and slope trade with each
other. A symmetric square root S of λλ' prefers no column to another; and with Z'Z/n = RR' for the
columns of a term, R upper triangular,

    λλ' = MSSM',   M = R'⁻¹

makes S of ordinary size. The objective is even in an eigenvalue of S, as it is in a column of λ.
"""

from __future__ import annotations

import math

import numpy as np

from numbamm.blocks.moments import squares
from numbamm.design.scaling import lower
from numbamm.structures.joint import Joint

#: A column of which others leave a smaller share is not made uncorrelated with them.
DEPENDENT = 1e-5


class Coordinates:
    """S of every term, as coordinates of θ; for structures whose θ are the entries of λ.

    Parameters
    ----------
    terms : sequence of ReMat
        In the caller's order.
    layout : Layout
    A : ndarray, shape (size_a,)
        The cross-product.
    n : int
        Number of rows.

    Attributes
    ----------
    is_scale : ndarray of bool, shape (number of θ,)
        Which coordinates are on the diagonal of S: scales, of either sign.
    terms : ndarray of bool, shape (number of terms, number of scales)
        Which scales are of each term.
    changes : list of ndarray, shape (p, p)
        M of each term.
    pair : bool
        Whether there is one term alone, with two correlated columns.
    units : ndarray
        For such a pair the entries 00, 01 and 11 of M; where M is diagonal what stands there for
        each θ.
    """

    def __init__(self, terms, layout, A, n: int) -> None:
        own, at = squares(layout, A), np.argsort(layout.order)
        self._joint = Joint.of(terms)
        self.changes = [_change(term, own[k] / n) for term, k in zip(terms, at, strict=True)]
        self.is_scale = np.concatenate([t.structure.is_scale for t in terms])
        self.pair = len(terms) == 1 and terms[0].structure.size == 3 and terms[0].p == 2
        of_scale = np.repeat(np.arange(len(terms)), [t.p for t in terms])
        self.terms = np.arange(len(terms))[:, None] == of_scale
        self._diagonal = bool(self.is_scale.all())
        if self.pair:
            self.units = self.changes[0].ravel()[[0, 1, 3]]
        else:
            self.units = self._joint.column_sizes([np.diag(M) for M in self.changes])

    def theta(self, x: np.ndarray) -> np.ndarray:
        """θ of coordinates."""
        if self._diagonal:
            return self.units * x
        if self.pair:
            return _triangle(self.units.tolist(), x.tolist())
        parts = []
        for S, M, structure in self._matrices(x):
            S = S + np.tril(S, -1).T
            parts.append(structure.nearest(lower(M @ S)[0]))
        return self._joint.join(parts)

    def of(self, theta: np.ndarray) -> np.ndarray:
        """Coordinates of θ."""
        if self._diagonal:
            return theta / self.units
        if self.pair:
            return _square_root(self.units.tolist(), theta.tolist())
        parts = []
        for lam, M, structure in self._matrices(theta):
            vectors, values, _ = np.linalg.svd(np.linalg.solve(M, lam))
            parts.append(structure.nearest((vectors * values) @ vectors.T))
        return self._joint.join(parts)

    def extremes(self, theta: np.ndarray) -> tuple[float, float]:
        """The largest and the least eigenvalue of all S, without their signs."""
        x = self.of(theta)
        if self._diagonal:
            sizes = np.abs(x).tolist()
            return max(sizes), min(sizes)
        if self.pair:
            a, b, c = x.tolist()
            largest = 0.5 * (abs(a + c) + math.hypot(a - c, 2 * b))
            return largest, abs(a * c - b * b) / (largest or 1.0)
        values = []
        for S, _, _ in self._matrices(x):
            values.extend(np.abs(np.linalg.eigvalsh(S)).tolist())
        return max(values), min(values)

    def _matrices(self, values):
        """Every term's entries of λ, or of S, in their places, with M and the structure."""
        return zip(self._joint.matrices(values), self.changes, self._joint.structures, strict=True)


def _change(term, Z) -> np.ndarray:
    """M of one term, from the mean of its zz'; without correlations where it is singular."""
    units = [1 / math.sqrt(size) if size > 0 else 1.0 for size in np.diag(Z).tolist()]
    if len(units) == 1:
        return np.array([units])
    M = np.diag(units)
    for block in term.structure.blocks:
        if len(block) > 1:
            here = np.ix_(block, block)
            try:
                L = np.linalg.cholesky(M[here] @ Z[here] @ M[here])
            except np.linalg.LinAlgError:
                continue
            if np.diag(L).min() > DEPENDENT:
                M[here] = M[here] @ np.linalg.inv(L.T)
    return M


# The most usual case in a twentieth of the time: one term with two columns.


def _triangle(units, x) -> np.ndarray:
    """θ with the λλ' of MS."""
    (m00, m01, m11), (a, b, c) = units, x
    u00, u01, u10, u11 = m00 * a + m01 * b, m00 * b + m01 * c, m11 * b, m11 * c
    first = math.hypot(u00, u01)
    if first == 0.0:
        return np.array([0.0, 0.0, math.hypot(u10, u11)])
    below = (u10 * u00 + u11 * u01) / first
    return np.array([first, below, abs(u11 * u00 - u10 * u01) / first])


def _square_root(units, theta) -> np.ndarray:
    """S of M⁻¹λλ'M'⁻¹ = P, by S = (P + |S| I) / tr S."""
    (m00, m01, m11), (t0, t1, t2) = units, theta
    b10, b11 = t1 / m11, t2 / m11
    b00, b01 = (t0 - m01 * b10) / m00, -m01 * b11 / m00
    p00, p01, p11 = b00 * b00 + b01 * b01, b00 * b10 + b01 * b11, b10 * b10 + b11 * b11
    det = abs(b00 * b11 - b01 * b10)
    trace = math.sqrt(p00 + p11 + 2 * det)
    if trace == 0.0:
        return np.zeros(3)
    return np.array([(p00 + det) / trace, p01 / trace, (p11 + det) / trace])
