"""`ClusterFits`: the bootstrap of whole clusters that are the levels of the only grouping factor.

The products of the rows of one cluster are one part of A: those of drawn clusters are gathered from
A, no row is touched, and the compiled search fits them.
"""

from __future__ import annotations

from copy import copy

import numpy as np

from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.layout import CROSS, DENSE, DIAG, ND
from numbamm.blocks.search import newton
from numbamm.inference.resampling.bootstrap_fits import can_be_compiled
from numbamm.inference.resampling.resampled_fits import CaseFits
from numbamm.inference.resampling.studentised import errors_at_blocks
from numbamm.inference.robust.clusters import Clusters
from numbamm.models.linear_estimates import coefficients

#: Columns of X of drawn clusters whose smallest eigenvalue is below this may depend on each other.
DEPENDENT = 1e-8


def can_be_gathered(model, clusters: Clusters) -> bool:
    """Whether clusters are the levels of the model's only term, whose fits compiled code does."""
    if not model.is_linear or len(model.reterms) != 1 or not can_be_compiled(model):
        return False
    term = model.reterms[0]
    return term.nlevels == clusters.count and clusters.holds(term.refs)


class ClusterFits(CaseFits):
    """Draws the levels of the only grouping factor with replacement.

    Replicates that are near to dependent columns of X, or whose search fails, are built from their
    rows.
    """

    def __init__(self, model, names, key: int, clusters: Clusters) -> None:
        super().__init__(model, names, key, clusters)
        compile_ahead(newton.advance)
        blocks, term = model.blocks, model.reterms[0]
        table, p, nd = blocks.layout.table, term.p, int(blocks.layout.table[1, ND])
        self._cells = []
        for start, size in ((DIAG, p * p), (DENSE, p * nd)):
            first = int(table[1, start])
            part = slice(first, first + size * term.nlevels)
            self._cells.append((part, blocks.A[part].reshape(term.nlevels, size).copy()))
        width = blocks.nx + 1
        first = int(table[0, CROSS])
        self._cross = slice(first, first + width * width)
        self._held = blocks.A[self._cross] != 0  # the other triangle is not used
        self._level = np.empty(clusters.count, dtype=np.int64)
        self._level[clusters.codes] = term.refs
        self._products = np.array([blocks.xy[rows].T @ blocks.xy[rows] for rows in self._rows])
        self._sizes = np.array([len(rows) for rows in self._rows])
        w = model.frame.weights
        logs = np.zeros(model.nobs) if w is None else np.log(w)
        self._log_weights = np.array([logs[rows].sum() for rows in self._rows])
        theta = model.scaled.to_scaled(model.theta)
        singular = model.scaled.lacks_rank(theta)
        self._start = model.scaled.to_scaled(model.optsum.initial) if singular else theta

    def _row(self, rng) -> np.ndarray:
        before = rng.bit_generator.state
        drawn = self._drawn(rng)
        found = self._gathered(drawn)
        if found is not None:
            return found
        rng.bit_generator.state = before  # the same clusters
        return super()._row(rng)

    def _gathered(self, drawn) -> np.ndarray | None:
        """The estimates from some clusters; None if the rows are needed."""
        model, products = self._model, self._products[drawn].sum(axis=0)
        n, nx, reml = int(self._sizes[drawn].sum()), model.blocks.nx, model.optsum.reml
        if nx and np.linalg.eigvalsh(products[:nx, :nx])[0] < DEPENDENT * n:
            return None
        blocks = self._blocks()
        for part, cells in self._cells:
            blocks.A[part] = cells[self._level[drawn]].ravel()
        blocks.A[self._cross] = np.where(self._held, products.ravel(), 0.0)
        criterion, scale = model.space.criterion, model.scaled_response.scale
        change = n - model.nobs
        d = model.degrees + change
        constant = criterion.constant + 2 * change * np.log(scale)
        constant += self._log_weights.sum() - self._log_weights[drawn].sum()
        arguments = np.array([d, reml], dtype=np.int64), float(constant), criterion.sigma
        theta = self._start.copy()
        objective, search = newton.fit(
            theta,
            blocks.newton_model(*arguments),
            model.optsum.ftol_abs,
            model.optsum.ftol_rel,
        )
        try:
            blocks.factorize(theta)
        except FloatingPointError:
            return None
        beta = coefficients(model, blocks.solve().gamma)[1]
        sigma = model.optsum.sigma or scale * blocks.residual_norm() / np.sqrt(d)
        theta = model.scaled.to_user(theta) if model.scaled.is_changed else theta
        theta = model.scaled.structure.rectified(theta[None])[0]
        row = self._names.row(objective, sigma, None, beta, theta)
        fine = newton.ENDS.get(int(search.counts[newton.CODE])) != newton.ENDS[newton.FAILED]
        if not (fine and np.isfinite(row).all()):
            return None
        return (
            np.append(row, self._errors(theta, objective, sigma, n)) if self._names.errors else row
        )

    def _errors(self, theta, objective, sigma, n: int) -> np.ndarray:
        """Standard errors of the replicate whose A is factorised."""
        if not hasattr(self._local, "twin"):
            self._local.twin = self._model.twin()
        blocks = self._local.blocks
        return errors_at_blocks(self._local.twin, blocks, theta, objective, sigma, n)

    def _blocks(self):
        """This thread's copy of the blocks, with an A of its own."""
        if not hasattr(self._local, "blocks"):
            self._local.blocks = copy(self._model.blocks)
            self._local.blocks.A = self._model.blocks.A.copy()
        return self._local.blocks
