"""`predict` of models with thresholds: probabilities of categories, and the most likely one."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit, logit, ndtri

from numbamm.blocks.threads import blas_threads
from numbamm.errors import OptionError
from numbamm.inference.categories.category_rows import CategoryRows

#: What can be predicted; ``"response"`` is another name for the probabilities.
TYPES = ("prob", "class", "cumulative", "link", "response")


def predict_categories(model, rows, chosen, effects, type: str, se: bool, interval, alpha: float):
    """See `predict`; the rows, and the random effects to include, are known.

    Parameters
    ----------
    model : CumulativeLinkMixedModel
    rows : ModelRows
        With the parts of the model.
    chosen, effects
        As for `CategoryRows`.
    type : one of `TYPES`
    se : bool
    interval : str or None
    alpha : float

    Raises
    ------
    OptionError
        The option does not suit categories.
    """
    if interval == "prediction":
        raise OptionError(
            "a new observation of ordered categories has no interval: its probabilities are what "
            'type="prob" predicts; interval="confidence" gives their intervals'
        )
    if type == "class" and (se or interval):
        raise OptionError('the most likely category has no standard error: take type="prob"')
    at = CategoryRows(model, rows, chosen, effects)
    if type == "class":
        return _most_likely(model, at, rows)
    errors = se or interval is not None
    with blas_threads():
        columns = {"link": _link, "cumulative": _cumulative}.get(type, _probabilities)(
            model, at, errors, ndtri(1 - alpha / 2)
        )
    wanted = ["prediction", *(["se"] * se), *(["lower", "upper"] * (interval is not None))]
    if type == "link":
        series = {name: rows.aligned(columns[name], name) for name in wanted}
        return pd.DataFrame(series) if len(wanted) > 1 else series["prediction"]
    names = model.categories if type != "cumulative" else list(model.thresholds.index)
    frames = {name: _frame(rows, columns[name], names) for name in wanted}
    return pd.concat(frames, axis=1) if len(wanted) > 1 else frames["prediction"]


def _frame(rows, values, names) -> pd.DataFrame:
    """Values of shape (n, columns), aligned with the rows."""
    series = [rows.aligned(column, name) for column, name in zip(values.T, names, strict=True)]
    return pd.concat(series, axis=1)


def _most_likely(model, at: CategoryRows, rows) -> pd.Series:
    probabilities = at.probabilities()
    known = ~np.isnan(probabilities).any(axis=1)
    codes = rows.aligned(np.where(known, probabilities.argmax(axis=1), np.nan), "prediction")
    return as_categories(model, codes)


def as_categories(model, codes: pd.Series) -> pd.Series:
    """Numbers of categories from 0 as an ordered categorical; NaN stays missing."""
    labels = pd.Categorical.from_codes(
        codes.fillna(-1).astype(int), categories=model.categories, ordered=True
    )
    return pd.Series(labels, index=codes.index, name=codes.name)


def _link(model, at: CategoryRows, errors: bool, half: float) -> dict[str, np.ndarray]:
    out = {"prediction": at.eta}
    if errors:
        of_parameters, of_effects = at.eta_errors()
        se = np.sqrt((of_parameters**2).sum(axis=0) + of_effects**2)
        out |= {"se": se, "lower": at.eta - half * se, "upper": at.eta + half * se}
    return out


def _cumulative(model, at: CategoryRows, errors: bool, half: float) -> dict[str, np.ndarray]:
    """Limits are those of scores, on the scale of the link."""
    out = {"prediction": at.cumulative()}
    if errors:
        scores, link = at.scores, model.link_record
        of_parameters, of_effects = at.score_errors()
        sd = np.sqrt((of_parameters**2).sum(axis=0) + of_effects**2)

        def mean(x):
            return link.mean(x.ravel()).reshape(x.shape)

        out["se"] = link.slope(scores.ravel()).reshape(scores.shape) * sd
        out |= {"lower": mean(scores - half * sd), "upper": mean(scores + half * sd)}
    return out


def _probabilities(model, at: CategoryRows, errors: bool, half: float) -> dict[str, np.ndarray]:
    """Limits are those of the logits of the probabilities."""
    p = at.probabilities()
    out = {"prediction": p}
    if errors:
        se = probability_errors(model, at)
        out |= {"se": se} | dict(zip(("lower", "upper"), logit_limits(p, se, half), strict=True))
    return out


def probability_errors(model, at: CategoryRows) -> np.ndarray:
    """Standard errors of the probabilities, shape (n, K)."""
    of_parameters, of_effects = at.score_errors()
    slopes = probability_slopes(model, at, of_parameters)
    by_effects = probability_slopes(model, at, of_effects[None])[0]
    return np.sqrt((slopes**2).sum(axis=0) + by_effects**2)


def probability_slopes(model, at: CategoryRows, changes) -> np.ndarray:
    """Changes of the probabilities with changes of the scores: (m, n, K) from (m, n, K - 1)."""
    scores = at.scores
    density = model.link_record.slope(scores.ravel()).reshape(scores.shape)
    moved = density * changes
    edge = np.zeros((*moved.shape[:2], 1))
    return np.diff(np.concatenate([edge, moved, edge], axis=2), axis=2)


def logit_limits(p, se, half: float) -> tuple[np.ndarray, np.ndarray]:
    """Limits of probabilities, normal on the scale of the logit."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        width = np.where(se > 0, half * se / (p * (1 - p)), 0.0)
        return expit(logit(p) - width), expit(logit(p) + width)
