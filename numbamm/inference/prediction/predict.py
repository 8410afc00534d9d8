"""`predict`: predictions with or without random effects, for the rows of the fit or new rows.

The file is long by one public function: the signatures by which type checkers know what it returns,
and its docstring.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, OptionError, shown, warn
from numbamm.formula.levels import type_hint
from numbamm.inference.marginal.population_prediction import population_predictions
from numbamm.inference.prediction.model_rows import ModelRows
from numbamm.inference.prediction.parts_prediction import PartsPrediction, predictors_of
from numbamm.inference.prediction.re_form import chosen_effects
from numbamm.inference.prediction.residual_share import ResidualShare, borrows
from numbamm.inference.prediction.simulate import (
    generator,
    trials_or_weights,
    weights_to_draw,
)
from numbamm.inference.prediction.streamed import predictions
from numbamm.models.parts.distribution import RowDistribution
from numbamm.options import flag, one_of, valid_alpha
from numbamm.sources.opening import open_source

NEW_LEVELS = ("population", "missing", "error")
TYPES = ("response", "link")
#: Types of a model of several parts.
OF_PARTS = ("response", "conditional", "zprob", "dispersion", "link")
INTERVALS = (None, "confidence", "prediction")
RE = ("conditional", "zero", "integrated")

#: Largest number of observations that are drawn at once.
BATCH = 2_000_000


@overload
def predict(
    model,
    newdata=None,
    *,
    random: bool = True,
    re_form: str | Iterable[str] | None = None,
    new_levels: str = "population",
    type: str = "response",
    se: Literal[False] = False,
    interval: None = None,
    alpha: float = 0.05,
    weights: str | ArrayLike | None = None,
    draws: int = 1000,
    seed: int | None = None,
    re: str = "conditional",
) -> pd.Series: ...
@overload
def predict(
    model,
    newdata=None,
    *,
    random: bool = True,
    re_form: str | Iterable[str] | None = None,
    new_levels: str = "population",
    type: str = "response",
    se: Literal[True],
    interval: str | None = None,
    alpha: float = 0.05,
    weights: str | ArrayLike | None = None,
    draws: int = 1000,
    seed: int | None = None,
    re: str = "conditional",
) -> pd.DataFrame: ...
@overload
def predict(
    model,
    newdata=None,
    *,
    random: bool = True,
    re_form: str | Iterable[str] | None = None,
    new_levels: str = "population",
    type: str = "response",
    se: bool = False,
    interval: str,
    alpha: float = 0.05,
    weights: str | ArrayLike | None = None,
    draws: int = 1000,
    seed: int | None = None,
    re: str = "conditional",
) -> pd.DataFrame: ...
@overload
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
    re: str = "conditional",
) -> pd.Series | pd.DataFrame: ...
@names_arguments
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
    re: str = "conditional",
) -> pd.Series | pd.DataFrame:
    """Predict means or linear predictors, with standard errors and intervals.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    newdata : frame or dict of arrays, optional
        The rows to predict; the rows of the fit, if not given. The response is not needed. They
        may stream, as the data of a fit may.
    random : bool
        Whether to include random effects; False is the same as ``re_form="none"``.
    re_form : None, str or list of str, optional
        Random effects to include: ``"all"``, the default; ``"none"`` or ``"~0"``, for a prediction
        for the population; grouping factors, ``["item"]``; or terms, ``"(1 | item)"``, which are
        the model's terms or parts of them. Columns that only other terms use are not needed.
        With all random effects, new rows of a model with ``residual=`` have a share in the
        residuals of their group, too; with those that are named here, they have not.
    new_levels : {"population", "missing", "error"}
        What to do with rows whose level, or group of correlated residuals, was not in the fit:
        predict without its random effect, or its residuals, and warn; predict NaN; or raise a
        `DataError` that names the levels.
    type : {"response", "link", "conditional", "zprob", "dispersion"}
        Predict means or linear predictors; for linear models they are the same. Of a model of
        several parts also the mean of its family, without the zeros of the other part, so that
        ``"response"`` is that times one minus the probability of these zeros, ``"zprob"``; or the
        dispersion, or shape, that the first parameter of the family is.
    se : bool
        Whether to return standard errors of the predictions, too.
    interval : {"confidence", "prediction"}, optional
        Return an interval for the mean, or for a new observation.
    alpha : float
        One minus the coverage of the interval.
    weights : str or array, optional
        Prior weights of new rows, for prediction intervals and where residuals are correlated: a
        row's variance is σ² over its weight; numbers of trials for binomial models. If not given,
        the column that the fit used; ones, if it used none.
    draws, seed : int, optional
        Prediction intervals of generalized models are found by simulation: the number of
        observations that are drawn for each row, and the seed of the draws.
    re : {"conditional", "zero", "integrated"}
        ``"conditional"``: with random effects as `random` and `re_form` say. ``"zero"``: with
        random effects of zero, and no share in residuals, as ``random=False``. ``"integrated"``:
        the mean response over the distribution of the random effects, E g⁻¹(Xβ + Zb), which is the
        population's; grouping factors are not needed. Its standard errors count the errors of the
        variances, too.

    Returns
    -------
    pandas.Series or pandas.DataFrame
        A prediction for each row, NaN where a value is missing; with `se` or `interval` a frame
        with columns ``prediction``, ``se``, ``lower``, ``upper``. Of rows that stream a
        `RowStream`, which gives such an object for each chunk.

    Raises
    ------
    NotFittedError
        Before the fit.
    DataError
        A column is missing, or a level is new with ``new_levels="error"``.
    OptionError
        An option has an unusable value.

    See Also
    --------
    LinearMixedModel.simulate : Draws instead of means.
    emmeans : Averages of predictions.
    LinearMixedModel.fittedvalues : For the rows of the data.

    Notes
    -----
    Standard errors are those of the prediction error x'β̂ + z'b̂ - z'b, with the covariance
    parameters taken as known. They come from the inverse of Henderson's mixed-model equations, by
    the blocked Cholesky factor (Henderson, 1975, Biometrics 31, 423). A new level adds the variance
    of its random effects, z'Var(b)z. Effects at points that the fit did not have, as those of
    ``exp(east, north | g)``, are predicted from the effects at its points (kriging), and what these
    leave open adds to the variance.

    With correlated residuals, a new row of a group of the fit has the mean of its response given
    all responses of the fit: x'β̂ + z'b̂ + w'ε̂, where w = R⁻¹r has the correlations r of its residual
    with those of the group. Its standard error is that of x'β̂ + z'b̂ + w'ε̂ - z'b - w'ε; what the
    residuals of the group leave open of its own, which is all where they are independent, is a
    part of prediction intervals alone. So a row at a visit or time that its group has in the fit
    is that observation, with a standard error of zero, unless there is a nugget: the model's means
    there are ``predict()`` or `fittedvalues`. Rows of new groups have the mean x'β̂ + z'b̂ and all
    of their variance. Standard deviations that differ, by visit or by ``dispersion=``, are those of
    the new rows' own visits and covariates, whose columns they need; for ``power(fitted)`` that of
    x'β̂ + z'b̂ with the random effects that are included.

    For generalized models the same formula holds for the linear
    predictor at the conditional mode, with the covariance of β̂ from which `bse` comes. Standard
    errors of means follow by the delta method; intervals of means are the transformed intervals of
    linear predictors. All these intervals are normal. A prediction interval of a generalized model
    is on the scale of the response: its limits are quantiles of responses drawn at linear
    predictors with the prediction error.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.predict({"Days": [10], "Subject": ["308"]}).round(2).to_list()
    [449.65]
    >>> m.predict({"Days": [10]}, random=False).round(2).to_list()
    [356.08]
    >>> m.predict({"Days": [10]}, random=False, se=True).round(2).to_dict("records")
    [{'prediction': 356.08, 'se': 15.56}]
    """
    _check(model, new_levels, type, interval, alpha, draws)
    if (newdata is None and model.is_streamed) or open_source(newdata) is not None:
        options = {"random": random, "re_form": re_form, "new_levels": new_levels, "type": type}
        options |= {"se": se, "interval": interval, "alpha": alpha, "weights": weights}
        options |= {"draws": draws, "seed": seed, "re": re}
        return predictions(model, newdata, lambda data: predict(model, data, **options))
    random, se = flag("random", random), flag("se", se)
    if one_of("re", re, RE) != "conditional":
        if not random or re_form is not None:
            raise OptionError("re takes the place of random and re_form: give one of them")
        if re == "integrated":
            if type == "link" or interval == "prediction":
                raise OptionError(
                    're="integrated" is a mean: type="response", no prediction interval'
                )
            of_interval = interval is not None
            return population_predictions(model, newdata, type, se, of_interval, alpha)
        random = False
    by_draws = interval == "prediction" and not model.is_linear
    if by_draws and type == "link":
        raise OptionError(
            "a prediction interval of a generalized model is on the scale of the response: "
            'take type="response"'
        )
    if not random and re_form is not None:
        raise OptionError("random=False and re_form contradict each other: give one of them")
    chosen = chosen_effects(model, re_form if random else "none")
    if model.has_categories:
        return _of_categories(model, newdata, chosen, new_levels, type, se, interval, alpha)
    borrowing = random and borrows(model, re_form, newdata)
    rows = _rows(model, newdata, chosen, interval, weights, borrowing)
    eta = _eta_of_fit(model, chosen) if newdata is None else _eta(model, rows, chosen, new_levels)
    residual = None
    if model.residual_side is not None:
        residual = ResidualShare(model, rows, eta, borrowing)
    if borrowing:
        eta = eta + residual.means()
        _refuse_or_warn_of_groups(model, rows.residuals, new_levels)
        if new_levels == "missing":
            eta[rows.residuals.rows[rows.residuals.is_new]] = np.nan
    if model.composition is not None:
        nu = _predictors(model, rows, chosen)
        of_parts = PartsPrediction(model, type, rows, eta, nu)
        columns = {"prediction": of_parts.prediction}
        if se or interval == "confidence":
            any_effect = any(columns.any() for columns in chosen)
            errors = of_parts.errors(
                (lambda: _variance(model, rows, chosen)) if any_effect else None
            )
        if se:
            columns["se"] = errors
        if by_draws:
            sd = np.sqrt(np.where(np.isnan(eta), np.nan, _variance(model, rows, chosen)))
            ends = _limits_of_parts(of_parts, eta, sd, alpha, draws, generator(seed))
            columns["lower"], columns["upper"] = ends
        elif interval is not None:
            columns["lower"], columns["upper"] = of_parts.limits(errors, alpha)
        series = {name: rows.aligned(values, name) for name, values in columns.items()}
        return pd.DataFrame(series) if len(series) > 1 else series["prediction"]
    on_link_scale = type == "link" or model.link_record.linear

    def on_scale(eta):
        return eta if on_link_scale else np.where(np.isnan(eta), np.nan, model.mean(eta))

    columns = {"prediction": on_scale(eta)}
    if se or interval is not None:
        variances = _variance(model, rows, chosen, residual)
        sd = np.sqrt(np.where(np.isnan(eta), np.nan, variances))
    if se:
        slope = 1.0 if on_link_scale else np.abs(model.link_record.slope(eta))
        columns["se"] = slope * sd
    if by_draws:
        ends = _drawn_limits(model, rows, eta, sd, alpha, draws, generator(seed))
        columns["lower"], columns["upper"] = ends
    elif interval is not None:
        if interval == "prediction":
            sd = np.sqrt(sd**2 + _residual_variances(model, rows, residual))
        ends = [on_scale(end) for end in _limits(model, eta, sd, alpha)]
        columns["lower"], columns["upper"] = np.sort(ends, axis=0)
    series = {name: rows.aligned(values, name) for name, values in columns.items()}
    return pd.DataFrame(series) if len(series) > 1 else series["prediction"]


def _of_categories(model, newdata, chosen, new_levels, type, se, interval, alpha):
    """Predictions of a model with thresholds."""
    from numbamm.inference.categories.predict_categories import predict_categories

    if newdata is None:
        rows = ModelRows.of_fit(model)
    else:
        wanted = [k for k, columns in enumerate(chosen) if columns.any()]
        parts = () if type == "link" else tuple(model.frame.parts)
        rows = ModelRows.new(model, newdata, wanted, parts=parts)
    effects = _effects(model, rows, chosen, new_levels)
    return predict_categories(model, rows, chosen, effects, type, se, interval, alpha)


def _rows(model, newdata, chosen, interval, weights, borrowing: bool) -> ModelRows:
    """The rows to predict, with the terms whose random effects are included."""
    if newdata is None:
        return ModelRows.of_fit(model, weights)
    if interval == "prediction" or borrowing:
        weights = weights_to_draw(model, weights)
    elif weights is not None:
        raise OptionError(
            'weights are those of new observations: they matter only with interval="prediction"'
        )
    wanted = [k for k, columns in enumerate(chosen) if columns.any()]
    residuals = "deviations" if interval == "prediction" else ""
    residuals = "correlated" if borrowing else residuals
    return ModelRows.new(model, newdata, wanted, weights, residuals=residuals)


def _residual_variances(model, rows: ModelRows, residual: ResidualShare | None):
    """Variances of the residuals of new observations of a linear model, shape (n,)."""
    if residual is not None:
        return residual.open_variances()
    return model.sigma**2 / trials_or_weights(model, rows)


def _limits(model, eta, sd, alpha: float) -> list[np.ndarray]:
    """Normal limits for linear predictors, or for a linear model's observations."""
    half = ndtri(1 - alpha / 2) * sd
    return [_on_same_side(model, eta, end) for end in (eta - half, eta + half)]


def _drawn_limits(model, rows: ModelRows, eta, sd, alpha: float, draws: int, rng) -> np.ndarray:
    """Quantiles of responses at linear predictors N(η, sd²), shape (2, n)."""
    limits, w = np.full((2, len(eta)), np.nan), trials_or_weights(model, rows)
    complete = np.flatnonzero(~np.isnan(eta))
    for batch in np.array_split(complete, 1 + len(complete) * draws // BATCH):
        etas = eta[batch] + sd[batch] * rng.standard_normal((draws, len(batch)))
        etas = _on_same_side(model, eta[batch], etas)
        mu = np.clip(model.mean(etas.ravel()), *model.family_record.means)
        phi = model.sigma**2
        y = model.family_record.draws(rng, mu, np.tile(w[batch], draws), phi, model.shape)
        limits[:, batch] = np.quantile(
            y.reshape(etas.shape), [alpha / 2, 1 - alpha / 2], axis=0, method="inverted_cdf"
        )
    return limits


def _limits_of_parts(of_parts, eta, sd, alpha: float, draws: int, rng) -> np.ndarray:
    """Quantiles of responses of a model of several parts, shape (2, n)."""
    drawn = np.full((draws, len(eta)), np.nan)
    complete = np.flatnonzero(~np.isnan(eta))
    law = of_parts.law(eta[complete], of_parts.nu[:, complete])
    w = law.w if of_parts.rows.weights is None else of_parts.rows.weights[complete]
    for draw in drawn:
        near = eta[complete] + sd[complete] * rng.standard_normal(len(complete))
        at = RowDistribution.at(
            of_parts.model.composition,
            of_parts.model.link_record,
            near,
            of_parts.nu[:, complete],
            w,
        )
        draw[complete] = at.draw(rng)
    ends = [alpha / 2, 1 - alpha / 2]
    return np.quantile(drawn, ends, axis=0, method="inverted_cdf")


def _predictors(model, rows: ModelRows, chosen) -> np.ndarray:
    """The predictors of the other parts, with the random effects that are chosen."""
    effects = []
    for b, columns, unseen in zip(model.b, chosen, rows.unseen, strict=True):
        new = np.zeros((len(unseen), b.shape[1]))
        effects.append(np.vstack([b * columns, new]))
    return predictors_of(model, rows, effects)


def _on_same_side(model, eta, near) -> np.ndarray:
    """Linear predictors near η, kept on its side of zero for links that change there."""
    if not model.link_record.turns:
        return near
    side = np.sign(eta)
    return side * np.maximum(side * near, np.finfo(np.float64).tiny)


def _eta_of_fit(model, chosen) -> np.ndarray:
    """The linear predictors of the fit, without the random effects that are not chosen."""
    eta = model.estimates.eta
    for term, b, columns in zip(model.reterms, model.b, chosen, strict=True):
        if not (columns.all() or term.part):
            eta = eta - np.einsum("pn,np->n", term.z[~columns], b[term.refs][:, ~columns])
    return eta


def _eta(model, rows: ModelRows, chosen, new_levels: str) -> np.ndarray:
    """The linear predictors of new rows, NaN where a value is missing."""
    effects = _effects(model, rows, chosen, new_levels)
    return rows.linear_predictor(model.estimates.beta, effects)


def _effects(model, rows: ModelRows, chosen, new_levels: str) -> list[np.ndarray]:
    """The random effects that are included, those of new levels last: zero, or NaN."""
    effects = []
    absent = np.nan if new_levels == "missing" else 0.0
    for term, b, columns, unseen in zip(model.reterms, model.b, chosen, rows.unseen, strict=True):
        _refuse_or_warn(term, unseen, new_levels)
        new = np.full((len(unseen), term.p), absent)
        effects.append(np.vstack([b * columns, new]) if columns.any() else b)
    return effects


def _variance(model, rows: ModelRows, chosen, residual: ResidualShare | None = None) -> np.ndarray:
    """Variances of x'β̂ + z'b̂ - z'b, shape (n,)."""
    borrowing = residual is not None and residual.borrows
    if not (borrowing or any(columns.any() for columns in chosen)):
        return np.einsum("ij,ij->i", rows.X @ model.beta_covariance, rows.X)
    known, of_new = [], np.zeros(len(rows.X))
    for term, (refs, z), columns in zip(model.reterms, rows.terms, chosen, strict=True):
        z = z if columns.all() and not term.part else z * (columns[:, None] & (not term.part))
        new = np.flatnonzero(refs >= term.nlevels)
        typical = 1.0 if term.relation is None else term.relation.scale**2
        of_new[new] += typical * ((term.lambda_.T @ z[:, new]) ** 2).sum(axis=0)
        known.append((np.where(refs < term.nlevels, refs, -1).astype(np.int32), z))
    for there in rows.elsewhere:
        if chosen[there.term][there.columns].all():
            of_new[there.rows] += there.rest()
    with blas_threads():
        own = (
            model.row_variances(rows.X, known)
            if residual is None
            else residual.error_variances(known)
        )
        return own + model.sigma**2 * of_new


def _refuse_or_warn(term, unseen: list, new_levels: str) -> None:
    """Raise a `DataError` for new levels, or warn, as `new_levels` says."""
    hint = type_hint(unseen, term.levels)
    if unseen and new_levels == "error":
        raise DataError(
            f"the new data have levels of '{term.group}' that were not in the fit: "
            f"{_listed(unseen)}{hint}; "
            'new_levels="population" predicts without their random effects'
        )
    if unseen and new_levels == "population":
        warn(
            f"levels of '{term.group}' that were not in the fit are predicted without their random "
            f"effects: {_listed(unseen)}{hint}"
        )


def _refuse_or_warn_of_groups(model, new, new_levels: str) -> None:
    """The same for groups of residuals, unless they are levels of random effects, too."""
    group = model.residual_side.reading.places.grouping.name
    if not new.unseen or any(term.group == group for term in model.reterms):
        return
    text, levels = model.residual_side.texts.residual.text, model.residual_side.reading.labels
    found = f"{_listed(new.unseen)}{type_hint(new.unseen, levels)}"
    if new_levels == "error":
        raise DataError(
            f"residual={text!r}: the new data have levels of '{group}' that were not in the fit: "
            f'{found}; new_levels="population" predicts without residuals of theirs'
        )
    if new_levels == "population":
        warn(
            f"residual={text!r}: levels of '{group}' that were not in the fit have no residuals "
            f"that their rows could share in: {found}"
        )


def _listed(labels, most: int = 5) -> str:
    """The first labels, numbers without quotation marks, and how many more there are."""
    texts = [shown(label if isinstance(label, Real) else str(label)) for label in labels[:most]]
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(texts) + more


def _types(model) -> tuple[str, ...]:
    """What can be predicted of this kind of model."""
    if model.composition is not None:
        return OF_PARTS
    if not model.has_categories:
        return TYPES
    from numbamm.inference.categories.predict_categories import TYPES as OF_CATEGORIES

    return OF_CATEGORIES


def _check(model, new_levels, type, interval, alpha, draws) -> None:
    """Raise an error if the model is not fitted or an option has an unusable value."""
    _ = model.estimates
    for name, value, known in (
        ("new_levels", new_levels, NEW_LEVELS),
        ("type", type, _types(model)),
        ("interval", interval, INTERVALS),
    ):
        if value is not None or None not in known:
            one_of(name, value, filter(None, known))
    valid_alpha(alpha)
    if not isinstance(draws, Integral) or draws < 1:
        raise OptionError(f"draws must be a whole number of at least 1, not {draws!r}")
