"""Effective degrees of freedom of Poisson counts and of events, by fits to changed responses.

With θ_i the natural parameter of the conditional mean μ_i, the bias of the conditional likelihood
is Σ Cov(θ̂_i, y_i), of which

    Poisson:  Σ y_i (log μ̂_i(y) - log μ̂_i(y with y_i - 1)),
    events:   Σ μ̂_i (1 - μ̂_i) (logit μ̂_i(y with y_i = 1) - logit μ̂_i(y with y_i = 0))

are estimates that take one fit a row: rows of zero counts need none, and equal rows share theirs.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np

from numbamm.errors import FitError, NumbammError
from numbamm.inference.resampling.replicates import ReplicateTask, run
from numbamm.optimize.run import uninterrupted

#: Families whose degrees of freedom are known.
FAMILIES = ("poisson", "bernoulli")


def degrees_by_refits(model, workers, progress) -> float:
    """The effective degrees of freedom of a generalized model.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        Of one of `FAMILIES`, without weights.
    workers, progress
        As for `bootstrap`.

    Raises
    ------
    FitError
        A fit to a changed response failed, or the work was interrupted.
    """
    y, mu = model.frame.y, model.estimates.fitted
    keys = np.column_stack([y, model.estimates.eta, *(term.refs for term in model.reterms)])
    _, first, cell = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    changed = first[(y[first] > 0) | (model.family == "bernoulli")]
    moved = np.zeros(len(y))
    batches, ended = run(Changes(model, changed, 0), range(len(changed)), workers, progress)
    for rows in batches:
        for k, eta in rows.items():
            if isinstance(eta, str):
                raise FitError(f"the fit with another response in row {changed[k]} failed: {eta}")
            moved[changed[k]] = eta
    if ended is not None:
        raise ended
    if sum(map(len, batches)) < len(changed):
        raise FitError("conditional_aic was interrupted")
    moved = moved[first][cell.ravel()]
    natural = _natural(model, mu)
    if model.family == "poisson":
        return float(np.sum(np.where(y > 0, y * (natural - moved), 0.0)))
    return float(np.sum(mu * (1 - mu) * (2 * y - 1) * (natural - moved)))


class Changes(ReplicateTask):
    """The natural parameter of a row, from fits with one event less in it, or one more."""

    def __call__(self, batch) -> dict:
        if not hasattr(self._local, "model"):
            self._local.model = deepcopy(self._model)
        twin = self._local.model
        out: dict[int, float | str] = {}
        for k in batch:
            row, y = self._names[k], self._model.frame.y.copy()
            is_event = self._model.family == "bernoulli"
            y[row] = 1 - y[row] if is_event else y[row] - 1
            try:
                uninterrupted(twin.refit(y, progress=False, **self._model.fit_options))
                out[k] = float(_natural(twin, twin.estimates.fitted)[row])
            except (NumbammError, ArithmeticError, np.linalg.LinAlgError) as error:
                out[k] = str(error)
        return out


def _natural(model, mu) -> np.ndarray:
    """log μ of counts, logit μ of events."""
    tiny = np.finfo(float).tiny
    if model.family == "poisson":
        return np.log(np.maximum(mu, tiny))
    return np.log(np.maximum(mu, tiny)) - np.log(np.maximum(1 - mu, tiny))
