"""Predictions: conditional on the random effects, or for the population, old rows or new."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy.special import ndtri

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import DataError, NumbammWarning, OptionError
from numbamm.glm import link as links
from numbamm.inference.contrast import valid_alpha
from numbamm.inference.re_form import chosen_effects
from numbamm.inference.rows import Rows, row_weights

NEW_LEVELS = ("population", "missing", "error")
TYPES = ("response", "link")
INTERVALS = (None, "confidence", "prediction")


def predict(
    model,
    newdata=None,
    *,
    random: bool = True,
    re_form=None,
    new_levels: str = "population",
    type: str = "response",
    se: bool = False,
    interval: str | None = None,
    alpha: float = 0.05,
    weights=None,
):
    """Predicted means or linear predictors, with standard errors and intervals.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    newdata : frame or dict of arrays, optional
        The rows to predict; the rows of the fit, if not given. The response is not needed.
    random : bool
        Whether random effects count; False is ``re_form="none"``.
    re_form : None, str or list of str, optional
        Which random effects count: ``"all"``, the default; ``"none"`` or ``"~0"``, a prediction
        for the population; grouping factors, ``["item"]``; or terms, ``"(1 | item)"``, which may
        be parts of the model's. Columns that only others use are not needed.
    new_levels : {"population", "missing", "error"}
        What a level that the fit has not seen gets: no random effect, with a warning; NaN; or
        a `DataError` that names the levels.
    type : {"response", "link"}
        Means, or linear predictors; for linear models they are the same.
    se : bool
        Give standard errors of the predictions, too.
    interval : {"confidence", "prediction"}, optional
        Give an interval for the mean, or for a new observation of a linear model.
    alpha : float
        One minus the coverage.
    weights : str or array, optional
        Prior weights of new rows, for prediction intervals: a row's variance is σ² over its
        weight. If not given, the column that the fit had; ones, if it had none.

    Returns
    -------
    pandas.Series or pandas.DataFrame
        A prediction for each row, NaN where a needed value is missing; with `se` or `interval`
        a frame of ``prediction``, ``se``, ``lower``, ``upper``.

    Raises
    ------
    NotFittedError
    DataError
        A column is missing, or a level is new under ``new_levels="error"``.
    OptionError
        An option cannot be used; so with a prediction interval of a generalized model.

    Notes
    -----
    Standard errors are those of x'β̂ + z'b̂ - z'b, the error of a prediction where the covariance
    parameters are known: from the inverse of Henderson's mixed-model equations, through the
    blocked Cholesky factor (Henderson, 1975, Biometrics 31, 423). A new level adds the variance
    of its random effects, z'Var(b)z. For generalized models this is so at the mode on the scale
    of the linear predictor, with the covariance of β̂ that `bse` is of; standard errors of means
    follow by the delta method, and their intervals are those of the linear predictor,
    transformed. Intervals use the normal distribution.
    """
    _check(model, new_levels, type, interval, alpha)
    if not random and re_form is not None:
        raise OptionError("random=False leaves no random effects for re_form to choose from")
    chosen = chosen_effects(model, re_form if random else "none")
    if newdata is None:
        rows = Rows.of_fit(model, weights)
        eta = _eta_of_fit(model, chosen)
    else:
        given = row_weights(model, weights) if interval == "prediction" else None
        wanted = [k for k, some in enumerate(chosen) if some.any()]
        rows = Rows.new(model, newdata, wanted, given)
        eta = _eta(model, rows, chosen, new_levels)
    code = links.NAMES[model.link]

    def shown(eta):
        return eta if type == "link" else np.where(np.isnan(eta), np.nan, model._mean(eta))

    columns = {"prediction": shown(eta)}
    if se or interval is not None:
        variance = np.where(np.isnan(eta), np.nan, _variance(model, rows, chosen))
        if se:
            slope = 1.0 if type == "link" else np.abs(links.slope(code, eta))
            columns["se"] = slope * np.sqrt(variance)
        if interval == "prediction":
            variance = variance + model.sigma**2 / (1.0 if rows.weights is None else rows.weights)
        if interval is not None:
            half = ndtri(1 - alpha / 2) * np.sqrt(variance)
            ends = shown(eta - half), shown(eta + half)
            columns["lower"], columns["upper"] = np.minimum(*ends), np.maximum(*ends)
    series = {name: rows.aligned(values, name) for name, values in columns.items()}
    return pd.DataFrame(series) if len(series) > 1 else series["prediction"]


def _eta_of_fit(model, chosen) -> np.ndarray:
    """The linear predictors of the fit, less the random effects that are left out."""
    eta = model.estimates.eta
    for term, b, some in zip(model.reterms, model.b, chosen, strict=True):
        if not some.all():
            eta = eta - np.einsum("pn,np->n", term.z[~some], b[term.refs][:, ~some])
    return eta


def _eta(model, rows: Rows, chosen, new_levels: str) -> np.ndarray:
    """The linear predictors of new rows, NaN where there is none."""
    effects = []
    absent = np.nan if new_levels == "missing" else 0.0
    for term, b, some, unseen in zip(model.reterms, model.b, chosen, rows.unseen, strict=True):
        _announce(term, unseen, new_levels)
        new = np.full((len(unseen), term.p), absent)
        effects.append(np.vstack([b * some, new]) if some.any() else b)
    return rows.linear_predictor(model.estimates.beta, effects)


def _variance(model, rows: Rows, chosen) -> np.ndarray:
    """Variances of x'β̂ + z'b̂ - z'b, shape (n,)."""
    if not any(some.any() for some in chosen):
        return np.einsum("ij,ij->i", rows.X @ model.estimates.cov, rows.X)
    known, of_new = [], np.zeros(len(rows.X))
    for term, (refs, z), some in zip(model.reterms, rows.terms, chosen, strict=True):
        z = z if some.all() else z * some[:, None]
        new = np.flatnonzero(refs >= term.nlevels)
        of_new[new] += ((term.lambda_.T @ z[:, new]) ** 2).sum(axis=0)
        known.append((np.where(refs < term.nlevels, refs, -1).astype(np.int32), z))
    with blas_threads(config.get("threads")):
        return model._row_variances(rows.X, known) + model.sigma**2 * of_new


def _announce(term, unseen: list, new_levels: str) -> None:
    """Refuse new levels, or warn of them."""
    if unseen and new_levels == "error":
        raise DataError(f"levels of '{term.group}' that the fit has not seen: {_some(unseen)}")
    if unseen and new_levels == "population":
        warnings.warn(
            f"levels of '{term.group}' that the fit has not seen get no random effect: "
            f"{_some(unseen)}",
            NumbammWarning,
            stacklevel=5,
        )


def _some(labels, most: int = 5) -> str:
    shown = ", ".join(repr(str(label)) for label in labels[:most])
    return shown if len(labels) <= most else f"{shown} and {len(labels) - most} more"


def _check(model, new_levels, type, interval, alpha) -> None:
    _ = model.estimates
    for name, value, known in (
        ("new_levels", new_levels, NEW_LEVELS),
        ("type", type, TYPES),
        ("interval", interval, INTERVALS),
    ):
        if value not in known:
            raise OptionError(f"{name} must be one of {known}, not {value!r}")
    valid_alpha(alpha)
    if interval == "prediction" and (model.family, model.link) != ("gaussian", "identity"):
        raise OptionError(
            "a generalized model has no prediction interval of the form estimate ± error: take "
            "quantiles of responses drawn by simulate(newdata=..., re_form=...)"
        )
