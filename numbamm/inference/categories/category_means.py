"""Marginal means of ordinal models: averages of the probabilities of categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from numbamm.errors import OptionError
from numbamm.inference.categories.category_rows import CategoryRows
from numbamm.inference.categories.predict_categories import logit_limits, probability_slopes
from numbamm.inference.prediction.model_rows import ModelRows
from numbamm.report.digits import coverage
from numbamm.report.result import Result


def category_means(model, grid, names: list[str], weights: str, alpha: float) -> Any:
    """Averages of the probabilities of categories over a grid, random effects being zero.

    Parameters
    ----------
    model : CumulativeLinkMixedModel
    grid : ReferenceGrid
    names : list of str
        The variables that are kept.
    weights, alpha
        As for `emmeans`.

    Returns
    -------
    Result
        A row for each combination of values and each category: ``category, probability, se, lower,
        upper``.
    """
    cells = grid.cells(names, weights)
    none = [np.zeros(term.p, dtype=bool) for term in model.reterms]
    at = CategoryRows(model, _rows_of(model, grid), none, model.b)
    changes, _ = at.score_errors()
    slopes = probability_slopes(model, at, changes)
    p = cells.average(at.probabilities())
    se = np.sqrt(sum(cells.average(slope) ** 2 for slope in slopes))
    lower, upper = logit_limits(p, se, ndtri(1 - alpha / 2))
    count, categories = len(p), model.categories
    labels = cells.labels.loc[np.repeat(np.arange(count), len(categories))].reset_index(drop=True)
    columns = {"probability": p, "se": se, "lower": lower, "upper": upper}
    frame = labels.assign(
        category=pd.Categorical(categories * count, categories=categories, ordered=True),
        **{name: values.ravel() for name, values in columns.items()},
    )
    over = [f for f in grid.factors if f not in names and len(grid.values[f]) > 1]
    notes = [f"Averaged over the levels of {', '.join(over)}."] * bool(over)
    notes.append("Random effects are zero; limits are normal on the scale of the logit.")
    return Result(
        "Marginal probabilities of the categories", frame, [*notes, f"{coverage(alpha)} intervals."]
    )


def check_latent(model) -> None:
    """Refuse means of the latent variable where thresholds depend on predictors."""
    if "nominal" in model.frame.parts:
        raise OptionError(
            "with nominal effects the predictors move thresholds differently, so that there is no "
            'mean of a latent variable: take type="prob"'
        )


def _rows_of(model, grid) -> ModelRows:
    """The grid as rows, without random effects."""
    n, parts = len(grid.rows), {}
    if model.frame.parts:
        needed = set().union(*model.frame.design.parts.values())
        if absent := sorted(needed - set(grid.values)):
            raise OptionError(
                f"'{absent[0]}' has nominal or scale effects, and is no variable of the formula: "
                'its values are to be given, by predict(newdata, type="prob", random=False)'
            )
        parts = model.frame.new_rows(grid.rows, random=False, parts=tuple(model.frame.parts)).parts
    none = np.full(n, -1, dtype=np.int32)
    terms = [(none, np.zeros((term.p, n))) for term in model.reterms]
    unseen: list[list] = [[] for _ in terms]
    X = grid.X[:, model.feterm.kept]
    return ModelRows(X, grid.offset, terms, unseen, None, None, pd.Series, parts)
