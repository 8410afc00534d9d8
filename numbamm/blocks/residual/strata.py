"""`Strata`: rows that are independent, with standard deviations that have few different values.

A(φ) = Σ_s A_s / d_s², a sum over strata of cross-products that are formed once: no row is touched
again, whether for the objective, its gradient or the average information.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from numbamm.blocks.layout import CROSS, NLEVEL, NX, P
from numbamm.blocks.residual.correlated_rows import CorrelatedRows, RowsAt
from numbamm.blocks.residual.group_products import crossprod
from numbamm.blocks.residual.scales import Scales
from numbamm.blocks.residual.stratum_products import inner_product, times

#: Strata are used if they have, on average, so many rows.
ROWS_EACH = 20


def strata_of(scales: Scales, n: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Codes of rows with the same log d at any φ, and a row of each; None if there are many."""
    if n < 2 * ROWS_EACH or not scales.size:
        return None
    rng = np.random.default_rng(1)
    values = np.zeros(n)
    for _ in range(2):  # log d at random φ tells rows apart, with probability one
        phi = rng.uniform(0.5, 1.5, scales.size)
        values = values + np.pi * scales.values(phi)
        if len(np.unique(values[: 50 * ROWS_EACH])) > 50:
            return None
    _, first, codes = np.unique(values, return_index=True, return_inverse=True)
    return (codes.ravel(), first) if len(first) * ROWS_EACH <= n else None


class Strata(CorrelatedRows):
    """Rows whose residuals are independent, of some strata; arguments as for `CorrelatedRows`.

    Parameters
    ----------
    codes : ndarray of int64, shape (n,)
        The stratum of each of the sorted rows.
    first : ndarray of int64, shape (strata,)
        A row of each.
    """

    def __init__(self, *rows, codes, first) -> None:
        super().__init__(*rows)
        self.codes, self.few = codes, self.scales.take(first)
        self.counts = np.bincount(codes, minlength=len(first)).astype(float)
        self.products = [self._product(np.flatnonzero(codes == s)) for s in range(len(first))]

    def _product(self, rows) -> np.ndarray:
        """A of some rows."""
        table, A = self.layout.table, np.empty(self.layout.size_a)
        z, xy = np.ascontiguousarray(self.z[rows]), np.ascontiguousarray(self.xy[rows])
        refs, n = np.ascontiguousarray(self.refs[:, rows]), len(rows)
        ones, starts = np.zeros(2 * n), np.arange(n + 1)
        ones[1::2] = 1.0
        crossprod(refs, z, z, xy, xy, ones, 2 * starts[:-1], starts, 1, table, A)
        nxy = int(table[0, NX]) + 1
        A[table[0, CROSS] : table[0, CROSS] + nxy**2] = (xy.T @ xy).ravel()
        return self.roots.to_held(A)

    def new_response(self, y) -> None:
        super().new_response(y)
        count = range(len(self.counts))
        self.products = [self._product(np.flatnonzero(self.codes == s)) for s in count]

    def _computed(self, phi) -> StrataAt | None:
        with np.errstate(over="ignore", invalid="ignore"):
            log_sd = self.few.values(phi)
            root = np.exp(-log_sd)
        if not (np.isfinite(root).all() and (root > 0).all()):
            return None
        return StrataAt(self, phi, log_sd, root, None)


class StrataAt(RowsAt):
    """As `RowsAt`, from the cross-products of the strata."""

    of: Strata

    def _keep(self, log_sd, root, matrices) -> None:
        """Keep log d and 1 / d of the strata; those of the rows are computed when they are used."""
        self._few, self._weights = log_sd, root**2

    @cached_property
    def log_sd(self) -> np.ndarray:
        """log d of the rows."""
        return self._few[self.of.codes]

    @cached_property
    def root(self) -> np.ndarray:
        """1 / d of the rows."""
        return np.exp(-self.log_sd)

    @cached_property
    def matrices(self):
        """Those of rows that are not correlated."""
        return self.of.correlations.at(np.zeros(0))

    def _logdet(self) -> float:
        return 2 * float(self.of.counts @ self._few)

    def _crossprod(self) -> np.ndarray:
        return sum(w * A for w, A in zip(self._weights, self.of.products, strict=True))

    def _slopes(self) -> np.ndarray:
        table, adjoint = self.of.layout.table, self.tail.adjoint
        forms = np.array([inner_product(table, A, adjoint) for A in self.of.products])
        self._by_log_sd = 2 * (self.of.counts - self._weights * forms)
        return self._sd_slopes() @ self._by_log_sd

    def _sd_slopes(self) -> np.ndarray:
        return self.of.few.slopes(self.phi)

    def _gram(self, theta):
        of, tail, moves = self.of, self.tail, self.of.few.slopes(self.phi)
        table, index = of.layout.table, of.layout.index
        v = self._residual_weights()
        e = [np.zeros_like(v) for _ in of.products]  # [Z X y]'e of each stratum, over d²
        for A, w, out in zip(of.products, self._weights, e, strict=True):
            times(table, index, A, v, out)
            out *= w
        squares = np.array([(v * out).sum() for out in e])
        h, bend = self._effects(theta, sum(e))
        right = np.zeros((len(v), of.size + h.shape[1]))
        for s, out in enumerate(e):
            right[:, : of.size] += 2 * moves[:, s] * out
        product = np.zeros_like(h)
        times(table, index, tail.A, h, product)
        right[:, of.size :] = product
        k, inner = of.size, np.empty((right.shape[1],) * 2)
        inner[:k, :k] = 4 * (moves * squares) @ moves.T
        inner[k:] = h.T @ right
        inner[:k, k:] = inner[k:, :k].T
        slopes = np.concatenate([2 * moves @ squares, h.T @ sum(e)[:, 0]])
        size_head = len(v) - tail.order
        head, below = right[:size_head].copy(), right[size_head:].copy()
        return inner - self._solved(head, below), slopes, bend

    def _residual_weights(self) -> np.ndarray:
        """v with e = [Z X y]v, as a column."""
        of, tail = self.of, self.tail
        solution = tail.solution_as_held()
        effects = [-solution.b[given].ravel() for given in of.layout.order]
        return np.concatenate([*effects, -solution.gamma, [1.0]])[:, None]

    def _effects(self, theta, r):
        """Γ_sc of each θ, c = Z'R⁻¹e, as vectors over all effects, X and y; and tr(NΓ_st)."""
        of, joint, N = self.of, self.tail.joint, self.tail.normal_blocks()
        h, bend = np.zeros((len(r), joint.size)), np.zeros((joint.size, joint.size))
        parts, places, start = joint.split(theta), joint.split(np.arange(joint.size)), 0
        for k, given in enumerate(of.layout.order):
            row, own, here = of.layout.table[1 + k], parts[given], places[given]
            s, width = joint.structures[given], int(row[P] * row[NLEVEL])
            c = r[start : start + width, 0].reshape(-1, s.p)
            for j, move in zip(here, s.covariance_slopes(own), strict=True):
                h[start : start + width, j] = (c @ move).ravel()
            bend[np.ix_(here, here)] = s.bend(own, N[given])
            start += width
        return h, bend
