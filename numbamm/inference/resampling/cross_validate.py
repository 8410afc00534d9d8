"""`cross_validate`: how well a model predicts rows that it has not seen."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from numbamm.elsewhere import names_arguments
from numbamm.errors import NumbammError, OptionError
from numbamm.inference.categories.predict_categories import as_categories
from numbamm.inference.resampling.folds import folds
from numbamm.inference.resampling.replicates import ReplicateTask, key_of, run, stream
from numbamm.inference.resampling.structured_predictions import structured_predictions
from numbamm.models.generalized import refuse_joint
from numbamm.optimize.run import uninterrupted
from numbamm.report.result import Result

#: Nodes of the Gauss–Hermite rule over the error of a linear predictor.
NODES = 31
#: Draws from each predictive distribution, for the CRPS of generalized models.
DRAWS = 400


@dataclass(repr=False)
class CrossValidation(Result):
    """The table of `cross_validate`, and the prediction of each row.

    Attributes
    ----------
    predictions : pandas.DataFrame
        A row for each row of the data: ``observed, predicted``, the mean, or the most likely
        category; ``log_score``, ``crps`` or ``rps``, and ``fold``, in which it was left out.

    See Also
    --------
    cross_validate : Makes one.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> cv = mm.cross_validate(m, groups="Subject", k=6, seed=1)
    >>> cv.predictions["fold"].nunique()
    6
    """

    predictions: pd.DataFrame = field(kw_only=True)


@names_arguments
def cross_validate(
    model,
    groups: str | ArrayLike | None = None,
    *,
    k: int = 10,
    seed: int | None = 0,
    workers=1,
    progress: bool | None = None,
) -> CrossValidation:
    """Fit a model without each part of the rows in turn, and score its predictions of them.

    Parameters
    ----------
    model : MixedModel
        A fitted model; it is not changed.
    groups : str or array, optional
        What is left out together: the levels of a grouping factor, so that groups are predicted
        that the fit has not seen; or a label for each row of the data. If not given, rows are left
        out, and predicted with the random effects that the others tell.
    k : int
        Number of parts.
    seed : int, optional
        Makes the parts reproducible: models that are compared take the same.
    workers, progress
        As for `bootstrap`.

    Returns
    -------
    CrossValidation
        A row per part, and a last one for all: ``rows``; ``log_score``, the mean logarithm of the
        predictive density (larger is better); ``rmse``, the root mean squared error of the means;
        ``brier``, of events, the mean squared error of probabilities; and ``crps``, the continuous
        ranked probability score (smaller is better). Of ordered categories ``log_score``;
        ``accuracy``, the share of rows in their most likely category; and ``rps``, the ranked
        probability score, the sum over thresholds of (F - 1{y ≤ threshold})². NaN where a part's
        fit failed.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option has an unusable value.
    DataError
        The rows of the model are not in memory.

    See Also
    --------
    information_criteria : Without further fits.
    delete_levels : The influence of each level on the estimates.

    Notes
    -----
    The predictive distribution of a row is that of the response given θ̂, with the errors of β̂ and
    of the random effects; those of levels without other rows are drawn from their distribution.
    Where residuals are correlated, rows have a share in those of other rows of their group, as for
    `predict`: leave out ``groups=data["group"]`` to predict groups that the fit has not seen.
    Columns that transform the data, as ``scale(x)``, do so by all rows.

    References
    ----------
    Gneiting & Raftery, 2007, J. Am. Stat. Assoc. 102, 359.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> slopes = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> means = mm.lmm("Reaction ~ Days + (1 | Subject)", sleep)
    >>> [round(m.cross_validate(seed=1).frame.loc["all", "rmse"]) for m in (slopes, means)]
    [30, 33]
    """
    _ = model.estimates
    if model.composition is not None:
        refuse_joint(model, "cross_validate")
    try:
        count = operator.index(k)
    except TypeError:
        count = 0
    if isinstance(k, bool) or count < 2:
        raise OptionError(f"k must be a whole number of at least 2, not {k!r}")
    key = key_of(seed)
    part, name = folds(model, groups, count, np.random.default_rng(key))
    task = FoldTask(model, part, key)
    batches, ended = run(task, range(int(part.max()) + 1), workers, progress)
    found = {i: scores for batch in batches for i, scores in batch.items()}
    if ended is not None:
        raise ended
    predictions, failed = _predictions(model, part, found)
    lines = {str(i): _summary(model, predictions[part == i]) for i in range(int(part.max()) + 1)}
    lines["all"] = _summary(model, predictions)
    notes = [
        f"Parts of {name}; the fit without part {i} failed: {why}" for i, why in failed.items()
    ]
    frame = pd.DataFrame.from_dict(lines, orient="index").dropna(axis=1, how="all")
    data = {name: model.aligned(predictions[name].to_numpy(), name) for name in predictions}
    if model.has_categories:
        for column in ("observed", "predicted"):
            data[column] = as_categories(model, data[column])
        data["rps"] = data.pop("crps").rename("rps")
    return CrossValidation(
        f"Cross-validation, {len(lines) - 1} parts of {name}: {model.formula}",
        frame,
        notes,
        headings={
            "log_score": "log score",
            "rmse": "RMSE",
            "brier": "Brier",
            "crps": "CRPS",
            "rps": "RPS",
        },
        predictions=pd.DataFrame(data),
    )


class FoldTask(ReplicateTask):
    """Fits a model without one part of its rows, and scores its predictions of them."""

    def __call__(self, batch) -> dict:
        out: dict[int, dict[str, np.ndarray] | str] = {}
        for i in batch:
            rows = np.flatnonzero(self._names == i)
            try:
                out[i] = _scores(self._model, rows, stream(self._key, i))
            except (NumbammError, ArithmeticError, np.linalg.LinAlgError) as error:
                out[i] = str(error)
        return out


def _scores(model, rows, rng) -> dict[str, np.ndarray]:
    """Mean, log score and CRPS of the rows that a fit leaves out."""
    if model.residual_side is not None:
        return _normal_scores(model.frame.y[rows], *structured_predictions(model, rows))
    twin = model.without_rows(rows)
    uninterrupted(twin.refit(progress=False, **model.fit_options))
    X = model.frame.X[rows][:, model.feterm.kept]
    terms = [
        (np.ascontiguousarray(term.refs[rows]), np.asfortranarray(term.z[:, rows]))
        for term in model.reterms
    ]
    eta = X @ twin.estimates.beta
    if model.frame.offset is not None:
        eta = eta + model.frame.offset[rows]
    for b, (refs, z) in zip(twin.b, terms, strict=True):
        eta = eta + np.einsum("pn,np->n", z, b[refs])
    sd = np.sqrt(np.maximum(twin.row_variances(X, terms), 0.0))
    y = model.frame.y[rows]
    if model.has_categories:
        from numbamm.inference.categories.category_scores import category_scores

        return category_scores(twin, rows, eta, sd, y)
    w = np.ones(len(rows)) if model.frame.weights is None else model.frame.weights[rows]
    if model.is_linear:
        return _normal_scores(y, eta, np.sqrt(sd**2 + twin.sigma**2 / w))
    if model.composition is None:
        law = _OfFamily(twin, y, w)
    else:
        law = _OfParts(twin, y, w, model.part_lines.rows(rows).values(twin.estimates.shape))
    return _generalized_scores(law, y, eta, sd, rng)


def _normal_scores(y, mean, sd) -> dict[str, np.ndarray]:
    """The scores of normal predictive distributions, whose CRPS has a formula."""
    from scipy.stats import norm

    z = (y - mean) / sd
    crps = sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    return {"predicted": mean, "log_score": norm.logpdf(z) - np.log(sd), "crps": crps}


class _OfFamily:
    """The distributions of rows by their linear predictors, of a model of one predictor."""

    def __init__(self, model, y, w) -> None:
        self._model, self._y, self._w = model, y, w
        at = model.estimates
        self._phi, self._shape = at.sigma**2, at.shape
        saturated = model.family_record.saturated
        self._constant = self._given(saturated, y=y, shape=self._shape, phi=self._phi)

    def _given(self, function, **known):
        return self._model.family_record._given(function, w=self._w, **known)

    def log_density(self, eta) -> np.ndarray:
        model = self._model
        d = model.family_record.deviances(model.link_record, self._shape, self._y, eta)
        return self._constant - self._w * d / (2 * self._phi)

    def mean(self, eta) -> np.ndarray:
        return self._model.mean(eta)

    def draw(self, rng, eta) -> np.ndarray:
        family = self._model.family_record
        mu = np.clip(self._model.mean(eta), *family.means)
        return family.draws(rng, mu, self._w, self._phi, self._model.shape)


class _OfParts:
    """The same of a model of several parts, whose other predictors are `nu`."""

    def __init__(self, model, y, w, nu) -> None:
        self._model, self._y, self._w, self._nu = model, y, w, nu

    def _at(self, eta):
        return self._model.distribution_at(eta, self._nu, self._w)

    def log_density(self, eta) -> np.ndarray:
        from numbamm.models.parts.row_density import log_density

        return log_density(self._model, self._y, self._w, eta, self._nu)

    def mean(self, eta) -> np.ndarray:
        return self._at(eta).mean()

    def draw(self, rng, eta) -> np.ndarray:
        return self._at(eta).draw(rng)


def _generalized_scores(law, y, eta, sd, rng) -> dict[str, np.ndarray]:
    """The scores of a family's distributions, over the error of the linear predictor."""
    from scipy.special import logsumexp

    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    log_weights, mean, terms = np.log(weights / weights.sum()), np.zeros(len(y)), []
    for node, log_weight in zip(nodes, log_weights, strict=True):
        terms.append(log_weight + law.log_density(eta + sd * node))
        mean += np.exp(log_weight) * law.mean(eta + sd * node)
    draws = np.empty((DRAWS, len(y)))
    for draw in draws:
        draw[:] = law.draw(rng, eta + sd * rng.standard_normal(len(y)))
    return {
        "predicted": mean,
        "log_score": logsumexp(terms, axis=0),
        "crps": _crps_of_draws(y, draws),
    }


def _crps_of_draws(y, draws) -> np.ndarray:
    """E|Y - y| - E|Y - Y'| / 2 for each row, from draws of Y."""
    m, ordered = len(draws), np.sort(draws, axis=0)
    rank = 2 * np.arange(1, m + 1) - m - 1
    return np.abs(draws - y).mean(axis=0) - rank @ ordered / (m * (m - 1))


def _predictions(model, part, found) -> tuple[pd.DataFrame, dict[int, str]]:
    """A row for each row that is used, and the parts whose fits failed, with the reasons."""
    names = ("predicted", "log_score", "crps")
    table = pd.DataFrame(np.nan, index=range(len(part)), columns=["observed", *names, "fold"])
    table["observed"], table["fold"] = model.frame.y, part.astype(float)
    failed = {i: scores for i, scores in found.items() if isinstance(scores, str)}
    for i, scores in found.items():
        if i not in failed:
            for name in names:
                table.loc[part == i, name] = scores[name]
    return table, failed


def _summary(model, rows: pd.DataFrame) -> dict[str, float]:
    """The scores of some rows."""
    known = rows.dropna(subset=["predicted"])
    if model.has_categories:
        return {
            "rows": float(len(rows)),
            "log_score": float(known["log_score"].mean()),
            "accuracy": float((known["observed"] == known["predicted"]).mean())
            if len(known)
            else np.nan,
            "rps": float(known["crps"].mean()),
        }
    error = known["observed"] - known["predicted"]
    squared = float((error**2).mean()) if len(known) else np.nan
    events = not model.is_linear and model.family_record.proportions
    return {
        "rows": float(len(rows)),
        "log_score": float(known["log_score"].mean()),
        "rmse": np.sqrt(squared),
        "brier": squared if events else np.nan,
        "crps": float(known["crps"].mean()),
    }
