"""`LedModes`: conditional modes by `LedPirls`, and the gradient of the Laplace objective there.

The gradient is that of `glm.gradient`. Of the tail it takes h_i, the derivative of log|M| in λ, and
one solution of the adjoint system.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbamm.blocks.layout import COLUMN, NLEVEL, P, Pattern
from numbamm.glm.mode import ModeFinder, _Buffers
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
from numbamm.glm.tails.led_pirls import LedPirls, Solver, ask
from numbamm.glm.tails.rows_for_python import observed, predict, responding
from numbamm.glm.working import AT, CANONICAL, DETERMINANT, HELD, OBSERVED, SHAPED
from numbamm.structures.joint import Joint


class OfDeterminant(NamedTuple):
    """What the gradient takes of log|M|.

    Attributes
    ----------
    h : ndarray, shape (n,)
        z_i'ΛM⁻¹Λ'z_i of every row.
    slopes : list of ndarray, shape (p, p)
        Its derivative in λ, of the terms in the table's order; overwritten.
    """

    h: np.ndarray
    slopes: list[np.ndarray]


class LedModes(ModeFinder):
    """As `ModeFinder`; subclasses give a `Solver`, and what follows from its factor."""

    def _solver(self, buffers, entries) -> Solver:
        """What solves the working models of these buffers, at entries of every λ."""
        raise NotImplementedError

    def _of_determinant(self, buffers, entries) -> OfDeterminant:
        """At the last mode of these buffers, whose A holds the weights of the determinant."""
        raise NotImplementedError

    def without_terms(self) -> ModeFinder:
        rows, plain = self.rows, object.__new__(ModeFinder)
        parts = self.kind, rows.y, rows.weights, rows.entropy, rows.basis
        vars(plain).update(vars(self))
        plain.terms, plain.q, plain.u, plain._last_search = [], 0, np.zeros(0), None
        plain.joint = Joint([])
        plain.varied, plain.held = _Buffers(Pattern.of([]), rows.basis.shape[1], *parts), None
        return plain

    def _pirls(self, entries, x, shape, base, vary, tolerance, trace, out) -> int:
        buffers = self.varied if vary else self.held
        solver = self._solver(buffers, entries)
        search = LedPirls(solver, buffers.rows, entries, shape, self.scale, base, len(x))
        iterations = search.run(x, tolerance, trace, out)
        if iterations >= 0:
            buffers._local.solver = solver
        return iterations

    def gradient(self, theta, gamma, *, vary: bool, shape: float, phi: float) -> np.ndarray:
        buffers = self.varied if vary else self.held
        found = self._of_determinant(buffers, self._entries(theta))
        return self._gradient(found, theta, gamma, vary, shape, phi)[0]

    def _gradient(self, found: OfDeterminant, theta, gamma, vary, shape, phi):
        """The gradient, and v of every row; see `glm.gradient`."""
        x, rows = self._at(gamma, vary)
        buffers, entries = self.varied if vary else self.held, self._entries(theta)
        lines, model, h = rows.eta, rows.model, found.h
        with_observed = model[DETERMINANT] == OBSERVED
        eta, rank = lines[AT], rows.basis.shape[1]
        ask(OBSERVED_SLOPE if with_observed else EXPECTED_SLOPE, eta, shape, 0.0, rows)
        t = h * lines[FIRST]
        same_weights = bool(with_observed or model[CANONICAL] != 0)
        if not same_weights:
            observed(HELD, float(shape), rows)
        responding(t, rows)
        solver = self._solver(buffers, entries)
        solver.load(only_response=same_weights)
        a, q = solver.solution(), self.q
        eta_a = np.empty(len(t))
        predict(entries, a[:q].copy(), a[q:].copy(), np.zeros(len(t)), eta_a, rows)
        v = t - lines[WEIGHT] * eta_a - 2.0 * lines[SCORE] / phi
        out = np.zeros(rank + 1)
        if not vary:
            out[:rank] = rows.basis.T @ v
        if model[SHAPED] != 0:
            ask(OBSERVED_SHAPE if with_observed else EXPECTED_SHAPE, eta, shape, 0.0, rows)
            out[rank] = np.sum(lines[FIRST] + h * lines[THIRD] + eta_a * lines[SECOND])
        start = 0
        for k, slopes in enumerate(found.slopes):
            p, n = (int(width) for width in rows.table[1 + k, [P, NLEVEL]])
            own = slice(start, start + p * n)
            to_v, to_s = _sums(k, v, rows), _sums(k, lines[SCORE], rows)
            slopes += to_v.T @ x[own].reshape(n, p) + to_s.T @ a[own].reshape(n, p)
            start += p * n
        by_given = [found.slopes[k] for k in np.argsort(buffers.layout.order)]
        parts = [G.ravel()[s.entries] for G, s in zip(by_given, self.joint.structures, strict=True)]
        return np.concatenate([out, self.joint.slopes(theta, np.concatenate(parts))]), v

    def _normals_of_rows(self, v, phi: float, rows, related) -> list[np.ndarray]:
        """The rows' part of N of every term, in the table's order; see `glm.gradient`.

        `related` multiplies columns of the levels of a term by their known covariance.
        """
        normals = []
        for k in range(len(self.terms)):
            to_v, to_s = _sums(k, v, rows), _sums(k, rows.eta[SCORE], rows)
            spread = related(k, to_s)
            crossed = to_v.T @ spread
            normals.append((crossed + crossed.T) / 2.0 + to_s.T @ spread / phi)
        return normals


def _sums(k: int, values, rows) -> np.ndarray:
    """Z_k' values, shape (levels, p), with term k of the table."""
    p, n, column = (int(x) for x in rows.table[1 + k, [P, NLEVEL, COLUMN]])
    levels = rows.refs[k]
    sums = [np.bincount(levels, rows.z[:, column + c] * values, n) for c in range(p)]
    return np.stack(sums, axis=1)
