"""Predictions: conditional on the random effects, or for the population, old rows or new."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import DataError, NumbammWarning, OptionError
from numbamm.glm import link as links
from numbamm.inference.prediction.re_form import chosen_effects
from numbamm.inference.prediction.rows import Rows
from numbamm.inference.prediction.simulate import (
    draw,
    generator,
    mean_range,
    trials_or_weights,
    weights_to_draw,
)
from numbamm.models.linear import LinearMixedModel
from numbamm.options import flag, one_of, valid_alpha

NEW_LEVELS = ("population", "missing", "error")
TYPES = ("response", "link")
INTERVALS = (None, "confidence", "prediction")

#: Links whose means turn, or end, where the linear predictor is zero.
TURNING = ("inverse", "inverse-squared", "sqrt")
#: Most observations that are drawn at once.
BATCH = 2_000_000


def predict(
    model,
    newdata=None,
    *,
    random: bool = True,
    re_form: str | Iterable[str] | None = None,
    new_levels: str = "population",
    type: str = "response",
    se: bool = False,
    interval: str | None = None,
    alpha: float = 0.05,
    weights: str | ArrayLike | None = None,
    draws: int = 1000,
    seed: int | None = None,
) -> pd.Series | pd.DataFrame:
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
        Give an interval for the mean, or for a new observation.
    alpha : float
        One minus the coverage.
    weights : str or array, optional
        Prior weights of new rows, for prediction intervals: a row's variance is σ² over its
        weight; numbers of trials for binomial models. If not given, the column that the fit had;
        ones, if it had none.
    draws, seed : int, optional
        How many observations to draw for each row for the prediction intervals of generalized
        models, and what makes them reproducible.

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
        An option cannot be used.

    Notes
    -----
    Standard errors are those of x'β̂ + z'b̂ - z'b, the error of a prediction where the covariance
    parameters are known: from the inverse of Henderson's mixed-model equations, through the
    blocked Cholesky factor (Henderson, 1975, Biometrics 31, 423). A new level adds the variance
    of its random effects, z'Var(b)z. For generalized models this is so at the mode on the scale
    of the linear predictor, with the covariance of β̂ that `bse` is of; standard errors of means
    follow by the delta method, and their intervals are those of the linear predictor,
    transformed. Intervals use the normal distribution. A prediction interval of a generalized
    model, for observations and so on the scale of the response, lies between quantiles of
    responses that are drawn at linear predictors with that error.
    """
    _check(model, new_levels, type, interval, alpha, draws)
    random, se = flag("random", random), flag("se", se)
    by_draws = interval == "prediction" and not isinstance(model, LinearMixedModel)
    if by_draws and type == "link":
        raise OptionError(
            "observations have no linear predictor: a prediction interval of a "
            'generalized model takes type="response"'
        )
    if not random and re_form is not None:
        raise OptionError("random=False leaves no random effects for re_form to choose from")
    chosen = chosen_effects(model, re_form if random else "none")
    rows = _rows(model, newdata, chosen, interval, weights)
    eta = _eta_of_fit(model, chosen) if newdata is None else _eta(model, rows, chosen, new_levels)
    linear = type == "link" or model.link == "identity"

    def shown(eta):
        return eta if linear else np.where(np.isnan(eta), np.nan, model._mean(eta))

    columns = {"prediction": shown(eta)}
    if se or interval is not None:
        sd = np.sqrt(np.where(np.isnan(eta), np.nan, _variance(model, rows, chosen)))
    if se:
        slope = 1.0 if linear else np.abs(links.slope(links.NAMES[model.link], eta))
        columns["se"] = slope * sd
    if by_draws:
        ends = _drawn_limits(model, rows, eta, sd, alpha, draws, generator(seed))
        columns["lower"], columns["upper"] = ends
    elif interval is not None:
        ends = [shown(end) for end in _limits(model, rows, eta, sd, alpha, interval)]
        columns["lower"], columns["upper"] = np.sort(ends, axis=0)
    series = {name: rows.aligned(values, name) for name, values in columns.items()}
    return pd.DataFrame(series) if len(series) > 1 else series["prediction"]


def _rows(model, newdata, chosen, interval, weights) -> Rows:
    """The rows to predict, with the terms of which random effects count."""
    if newdata is None:
        return Rows.of_fit(model, weights)
    if interval == "prediction":
        weights = weights_to_draw(model, weights)
    elif weights is not None:
        raise OptionError(
            'weights are those of observations to come: they take part in interval="prediction" '
            "alone"
        )
    wanted = [k for k, some in enumerate(chosen) if some.any()]
    return Rows.new(model, newdata, wanted, weights)


def _limits(model, rows: Rows, eta, sd, alpha: float, interval: str) -> list[np.ndarray]:
    """Normal limits of linear predictors, or of a linear model's observations."""
    if interval == "prediction":
        sd = np.sqrt(sd**2 + model.sigma**2 / trials_or_weights(model, rows))
    half = ndtri(1 - alpha / 2) * sd
    return [_held(model, eta, end) for end in (eta - half, eta + half)]


def _drawn_limits(model, rows: Rows, eta, sd, alpha: float, draws: int, rng) -> np.ndarray:
    """Quantiles of responses at linear predictors N(η, sd²), shape (2, n)."""
    limits, w = np.full((2, len(eta)), np.nan), trials_or_weights(model, rows)
    there = np.flatnonzero(~np.isnan(eta))
    for some in np.array_split(there, 1 + len(there) * draws // BATCH):
        at = eta[some] + sd[some] * rng.standard_normal((draws, len(some)))
        at = _held(model, eta[some], at)
        mu = np.clip(model._mean(at.ravel()), *mean_range(model._family_code))
        phi = model.sigma**2
        y = draw(rng, model._family_code, mu, np.tile(w[some], draws), phi, model.shape)
        limits[:, some] = np.quantile(
            y.reshape(at.shape), [alpha / 2, 1 - alpha / 2], axis=0, method="inverted_cdf"
        )
    return limits


def _held(model, eta, near) -> np.ndarray:
    """Linear predictors near η, kept from crossing zero where the link's means turn there."""
    if model.link not in TURNING:
        return near
    side = np.sign(eta)
    return side * np.maximum(side * near, np.finfo(np.float64).tiny)


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
        return np.einsum("ij,ij->i", rows.X @ model._cov, rows.X)
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


def _check(model, new_levels, type, interval, alpha, draws) -> None:
    _ = model.estimates
    for name, value, known in (
        ("new_levels", new_levels, NEW_LEVELS),
        ("type", type, TYPES),
        ("interval", interval, INTERVALS),
    ):
        if value is not None or None not in known:
            one_of(name, value, filter(None, known))
    valid_alpha(alpha)
    if not isinstance(draws, Integral) or draws < 1:
        raise OptionError(f"draws must be a whole number of at least 1, not {draws!r}")
