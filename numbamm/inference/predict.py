"""Predictions: conditional on the random effects, or for the population, old rows or new."""

from __future__ import annotations

import warnings

import numpy as np

from numbamm.errors import DataError, NumbammWarning, OptionError

NEW_LEVELS = ("population", "missing", "error")


TYPES = ("response", "link")


def predict(
    model,
    newdata=None,
    *,
    random: bool = True,
    new_levels: str = "population",
    type: str = "response",
):
    """Predicted means or linear predictors.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    newdata : frame or dict of arrays, optional
        The rows to predict; the rows of the fit, if not given. The response is not needed.
    random : bool
        Add the conditional modes of the random effects; without them the prediction is for
        the population, and grouping columns are not needed.
    new_levels : {"population", "missing", "error"}
        What a level that the fit has not seen gets: no random effect, with a warning; NaN; or
        a `DataError` that names the levels.
    type : {"response", "link"}
        Means, or linear predictors; for linear models they are the same.

    Returns
    -------
    pandas.Series
        A prediction for each row, NaN where a needed value is missing.

    Raises
    ------
    NotFittedError, DataError, OptionError
    """
    import pandas as pd

    estimates = model.estimates
    if new_levels not in NEW_LEVELS:
        raise OptionError(f"new_levels must be one of {NEW_LEVELS}, not {new_levels!r}")
    if type not in TYPES:
        raise OptionError(f"type must be one of {TYPES}, not {type!r}")
    shown = model._mean if type == "response" else np.asarray
    if newdata is None:
        values = estimates.eta if random else _fixed_of_fit(model)
        return model._aligned(shown(values), "prediction")
    if model.frame.has_array_offset:
        raise DataError(
            "the model's offset was given as an array, which new data cannot have: "
            "fit with offset=<column name>, or with offset(...) in the formula, to predict"
        )
    rows = model.frame.new_rows(newdata, random=random)
    values = rows.X[:, model.feterm.kept] @ estimates.beta
    if rows.offset is not None:
        values = values + rows.offset
    if random:
        for term, new, effects in zip(model.reterms, rows.terms, estimates.b, strict=True):
            values = values + _random(term, new, effects, new_levels)
    values = np.where(rows.missing, np.nan, shown(values))
    index = newdata.index if isinstance(newdata, pd.DataFrame) else None
    return pd.Series(values, index=index, name="prediction")


def _fixed_of_fit(model) -> np.ndarray:
    """Xβ + offset of the rows of the fit: the linear predictors less the random effects."""
    random = [
        np.einsum("pn,np->n", term.z, effects[term.refs])
        for term, effects in zip(model.reterms, model.estimates.b, strict=True)
    ]
    return model.estimates.eta - sum(random)


def _random(term, new, effects, new_levels: str) -> np.ndarray:
    """One term's contribution to the new rows."""
    if new.unseen and new_levels == "error":
        raise DataError(f"levels of '{term.group}' that the fit has not seen: {_some(new.unseen)}")
    if new.unseen and new_levels == "population":
        warnings.warn(
            f"levels of '{term.group}' that the fit has not seen get no random effect: "
            f"{_some(new.unseen)}",
            NumbammWarning,
            stacklevel=4,
        )
    absent = np.nan if new_levels == "missing" else 0.0
    known = np.vstack([effects, np.full(term.p, absent)])  # refs of -1 find the last line
    return np.einsum("pn,np->n", new.z, known[new.refs])


def _some(labels, most: int = 5) -> str:
    shown = ", ".join(repr(str(label)) for label in labels[:most])
    return shown if len(labels) <= most else f"{shown} and {len(labels) - most} more"
