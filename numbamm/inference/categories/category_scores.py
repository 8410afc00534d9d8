"""`category_scores`: how well probabilities of ordered categories predict rows of their own."""

from __future__ import annotations

import numpy as np

from numbamm.inference.categories.category_rows import CategoryRows
from numbamm.inference.prediction.model_rows import ModelRows

#: Nodes of the Gauss–Hermite rule over the error of a linear predictor.
NODES = 31


def category_scores(model, rows, eta, sd, y) -> dict[str, np.ndarray]:
    """The most likely category of rows, their log score and ranked probability score.

    Parameters
    ----------
    model : CumulativeLinkMixedModel
        Fitted to other rows of the same frame.
    rows : ndarray of int
        Positions of the rows in the frame.
    eta, sd : ndarray, shape (n,)
        Linear predictors, less their mean threshold, and the standard deviations of their errors,
        with that of the mean threshold.
    y : ndarray, shape (n,)
        Numbers of the categories observed.

    Returns
    -------
    dict
        ``predicted``, ``log_score`` and ``crps``: the sum over thresholds of (F - 1{y ≤ k})², which
        is the continuous ranked probability score of the categories' numbers.

    References
    ----------
    Epstein, 1969, J. Appl. Meteorol. 8, 985.
    """
    p = predictive_probabilities(model, rows, eta, sd)
    cumulative = np.cumsum(p, axis=1)[:, :-1]
    reached = np.arange(cumulative.shape[1]) >= y[:, None]
    with np.errstate(divide="ignore"):
        log_score = np.log(p[np.arange(len(y)), y.astype(int)])
    return {
        "predicted": p.argmax(axis=1).astype(float),
        "log_score": log_score,
        "crps": ((cumulative - reached) ** 2).sum(axis=1),
    }


def predictive_probabilities(model, rows, eta, sd) -> np.ndarray:
    """Probabilities of the categories, averaged over the error of η, shape (n, K)."""
    frame, columns = model.frame, model.columns
    none = [np.zeros(term.p, dtype=bool) for term in model.reterms]
    parts = {name: X[rows] for name, (X, _) in frame.parts.items()}
    no_terms = [(np.full(len(rows), -1, dtype=np.int32), term.z[:, rows]) for term in model.reterms]
    X = frame.X[rows][:, model.feterm.kept]
    table = ModelRows(X, None, no_terms, [[] for _ in no_terms], None, None, np.asarray, parts)
    at = CategoryRows(model, table, none, model.b)
    # of the linear predictor of `feterm` the intercept is minus the mean threshold
    location = eta + columns.mean_threshold(model.coefficients)
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    total = np.zeros((len(rows), len(model.categories)))
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        near = location + sd * node
        total += weight * model.family_record.probabilities(
            model.link_record, at.alpha, near, at.log_scale
        )
    return total
