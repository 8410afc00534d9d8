"""`StreamedCells`: the cells that stand for the rows of a generalized model while it is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from numbamm.design.absent import absent, is_absent
from numbamm.models.streams.streamed_parts import linear_predictor

#: The model's attributes over rows.
OVER_ROWS = ("frame", "reterms", "feterm", "sqrt_weights", "prior_weights")


class StreamedCells:
    """What a model of rows that stream is fitted to, and what it shows its user.

    A fit passes over the cells again and again. All else is refused where rows are needed, since
    cells are no rows: it sees arrays that are `Absent`.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        Built from the cells.
    frame : StreamedFrame
        Of the rows.
    """

    def __init__(self, model, frame) -> None:
        from numbamm.sources import with_moments  # a worker that gets a fit needs no formulas

        self.cells = model.frame
        n, fe = self.cells.n, model.feterm
        root = np.ones(len(self.cells.y)) if model.scaled.root is None else model.scaled.root
        untried = frame.nobs - n  # rows without trials
        y = absent("the response", n)
        counted = {"n_zero_weight": frame.n_zero_weight + untried, "sums": self.cells.digest}
        frame = replace(frame, y=y, **counted)
        frame = with_moments(frame, self.cells, root)
        for term, of_cells in zip(frame.reterms, model.reterms, strict=True):
            term.theta = of_cells.theta.copy()
        x = absent("the fixed-effects columns", n, len(fe.cnames))
        basis = absent("the fixed-effects columns", n, fe.rank)
        weights = absent("the weights", n)
        self._of_cells = {name: getattr(model, name) for name in OVER_ROWS}
        self._of_rows = {
            "frame": frame,
            "reterms": frame.reterms,
            "feterm": replace(fe, x=x, basis=basis),
            "sqrt_weights": weights,
            "prior_weights": weights,
        }
        self._model = model

    def put_away(self) -> None:
        """Let a model that was built from cells show its rows, which are not in memory."""
        vars(self._model).update(self._of_rows)
        del self._model

    @contextmanager
    def at_hand(self, model) -> Iterator[None]:
        """A block in which the model's rows are the cells."""
        if model.frame is self.cells:
            yield
            return
        shown = {name: getattr(model, name) for name in OVER_ROWS}
        cells = dict(self._of_cells)
        cells["reterms"] = [
            replace(term, theta=own.theta.copy())
            for term, own in zip(cells["reterms"], model.reterms, strict=True)
        ]
        vars(model).update(cells)
        try:
            yield
        finally:
            for own, term in zip(shown["reterms"], model.reterms, strict=True):
                own.theta = term.theta.copy()
            vars(model).update(shown)
            _forget_rows(model)

    def pearson(self, model) -> float:
        """Pearson's statistic of the rows at the conditional means."""
        cells, estimates = self.cells, model.estimates
        mu = model.mean(linear_predictor(cells, model.feterm.kept, estimates))
        w, wy = cells.weights, cells.weights * cells.y
        squares = cells.squares - 2 * mu * wy + mu**2 * w
        return float(np.sum(squares / model.family_record.variance_at(mu, estimates.shape)))


def _forget_rows(model) -> None:
    """Let estimates have no values of cells, which might be taken for those of rows."""
    estimates = model._estimates
    if estimates is not None and not is_absent(estimates.eta):
        n = model.nobs
        estimates.eta = absent("the linear predictors", n)
        estimates.fitted = absent("the fitted values", n)


def root_of_cells(root: np.ndarray, cells: Any, likelihood) -> np.ndarray:
    """√W of cells, from which columns get the sizes that they have in the rows."""
    unitless = np.array_equal(root, np.ones(len(root)))  # where a row counts as one
    of_rows = cells.counts if unitless else 1.0
    return root * np.sqrt(of_rows * len(root) / cells.n)
