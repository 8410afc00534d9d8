"""`CategoryMeans`: predictions of categories in rows, with derivatives, for averages of them.

Of a row these are several numbers: a probability for each category, or for each threshold that of
the categories up to it or above it; or one, the mean number of the category.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from numbamm.design.femat import FeMat
from numbamm.errors import OptionError
from numbamm.glm.link import LINKS
from numbamm.inference.categories.category_rows import CategoryRows
from numbamm.inference.categories.predict_categories import probability_slopes
from numbamm.inference.fixed.contrast import on_kept_columns
from numbamm.inference.marginal.all_parameters import ParameterCovariance
from numbamm.inference.marginal.population import link_limits
from numbamm.inference.prediction.model_rows import ModelRows

#: What can be averaged, and other names for it, as those of the R package emmeans.
KINDS = ("prob", "cumulative", "exceedance", "mean", "link")
SPELLINGS = {
    "response": "prob",
    "latent": "link",
    "cum.prob": "cumulative",
    "exc.prob": "exceedance",
    "mean.class": "mean",
}


def kind_of(type: str) -> str:
    """The usual name of a type of averages of categories."""
    return SPELLINGS.get(type, type)


class CategoryMeans:
    """Predictions of categories and their derivatives by the coefficients of all parts.

    Parameters
    ----------
    model : CumulativeLinkMixedModel
        A fitted model.
    grid : ReferenceGrid
        Makes columns from values of the variables.
    kind : one of `KINDS`

    Attributes
    ----------
    outcomes : list of dict
        For each number of a row the columns of a table that say which it is.
    """

    def __init__(self, model, grid, kind: str) -> None:
        self.model, self.grid, self.kind = model, grid, kind
        if kind == "link":
            check_latent(model)
        self.outcomes: list[dict] = [{}]
        if kind == "prob":
            self.outcomes = [{"category": category} for category in model.categories]
        elif kind in ("cumulative", "exceedance"):
            self.outcomes = [{"threshold": name} for name in model.thresholds.index]

    def rows(self, values: pd.DataFrame, are_data: bool) -> tuple[ModelRows, np.ndarray]:
        """Rows with some values of the variables, without random effects; and which are estimable.

        `are_data`: whether they are the data's rows with some variables changed.
        """
        model, frame, n = self.model, self.model.frame, len(values)
        X, offset = self.grid.matrices(values)
        if are_data and (frame.has_array_offset or frame.offset_name):
            offset = frame.offset
        parts = {}
        if frame.parts and self.kind != "link":
            data = frame.design.materializer({name: values[name] for name in values}, np.arange(n))
            parts = {name: frame.design.part(name, data)[0] for name in frame.parts}
        none = np.full(n, -1, dtype=np.int32)
        terms = [(none, np.zeros((term.p, n))) for term in model.reterms]
        unseen: list[list] = [[] for _ in terms]
        kept = X[:, model.feterm.kept]
        rows = ModelRows(kept, offset, terms, unseen, None, None, pd.Series, parts)
        return rows, estimable_rows(model, X, parts)

    def at(self, rows) -> tuple[np.ndarray, np.ndarray]:
        """Predictions, shape (n, outcomes), and derivatives, shape (n, outcomes, coefficients).

        NaN in rows that are not estimable.
        """
        table, estimable = rows
        none = [np.zeros(term.p, dtype=bool) for term in self.model.reterms]
        at = CategoryRows(self.model, table, none, self.model.b)
        every = np.eye(len(self.model.coefficients))
        if self.kind == "link":
            value, slopes = at.eta[:, None], at.eta_slopes(every)[:, :, None]
        else:
            p, slopes = at.probabilities(), probability_slopes(self.model, at, at.changes(every))
            value, slopes = self._of_probabilities(p), self._of_probabilities(slopes)
        value = np.where(estimable[:, None], value, np.nan)
        return value, np.moveaxis(slopes, 0, -1)

    def _of_probabilities(self, p) -> np.ndarray:
        """What is predicted, of probabilities of shape (..., K); linear in them."""
        if self.kind == "mean":
            return p @ np.arange(1.0, p.shape[-1] + 1)[:, None]
        if self.kind == "cumulative":
            return np.cumsum(p, axis=-1)[..., :-1]
        if self.kind == "exceedance":
            return np.cumsum(p[..., ::-1], axis=-1)[..., -2::-1]
        return p

    def of_parameters(self, gradient) -> tuple[np.ndarray, np.ndarray]:
        """The derivatives, zero where they are unknown, and where they are known."""
        known = np.isfinite(gradient).all(axis=1)
        return np.where(known[:, None], gradient, 0.0), known

    def parameters(self, method) -> ParameterCovariance:
        """The coefficients of all parts and their covariance."""
        whole, size = getattr(method, "whole", None), len(self.model.coefficients)
        cov = self.model.coefficient_covariance if whole is None else whole[0][:size, :size]
        return ParameterCovariance(self.model.coefficients, cov, [])

    def limits(self, value, se, half) -> tuple[np.ndarray, np.ndarray]:
        """Limits of intervals: of probabilities normal on the scale of the logit."""
        if self.kind in ("mean", "link"):
            return value - half * se, value + half * se
        return link_limits(LINKS.of("logit"), value, se, half)

    @property
    def title(self) -> str:
        """Of a table of averages."""
        return {
            "prob": "Marginal probabilities of the categories",
            "cumulative": "Marginal probabilities of the categories up to a threshold",
            "exceedance": "Marginal probabilities of the categories above a threshold",
            "mean": "Marginal means of the category's number",
            "link": "Marginal means of the latent variable",
        }[self.kind]

    @property
    def value(self) -> str:
        """The column of the averages."""
        return {"mean": "mean", "link": "estimate"}.get(self.kind, "probability")

    @property
    def heading(self) -> str:
        """Of that column."""
        return self.value.capitalize()

    ylabel = heading
    is_of_responses = False

    def notes_of_rows(self, rows) -> list[str]:
        """Notes on averages over the rows of a grid."""
        logit = "Limits are normal on the scale of the logit."
        return [] if self.kind in ("mean", "link") else [logit]

    def notes(self) -> list[str]:
        """What the averages are averages of."""
        if self.kind == "link":
            return [f"On the scale of the link, {self.model.link}."]
        notes = ["Random effects are zero."]
        if self.kind == "mean":
            named = ", ".join(f"{c} = {k}" for k, c in enumerate(self.model.categories, 1))
            return [*notes, f"Categories count as {named}."]
        return notes


def estimable_rows(model, X, parts: dict[str, np.ndarray]) -> np.ndarray:
    """Whether the data tell of the thresholds, location and scale of rows, shape (n,).

    Parameters
    ----------
    model : CumulativeLinkMixedModel
    X : ndarray, shape (n, p)
        All columns of the fixed effects.
    parts : dict of str → ndarray
        All columns of the parts' formulas; of the location alone, if there are none.
    """
    frame, columns, constant = model.frame, model.columns, model.feterm.cnames.index("Intercept")

    def besides_constant(part: str, matrix) -> np.ndarray:
        names = frame.parts[part][1]
        return matrix[:, [j for j, name in enumerate(names) if name != "Intercept"]]

    if "nominal" in frame.parts and "nominal" not in parts:
        return on_kept_columns(model.feterm, X)[1]
    first = [X[:, [constant]]]
    if "nominal" in parts:
        first.append(besides_constant("nominal", parts["nominal"]))
    L = np.hstack([*first, np.delete(X, constant, axis=1)])
    estimable = on_kept_columns(columns.whole, L)[1]
    if "scale" in parts:
        own = besides_constant("scale", frame.parts["scale"][0])
        names = ["Intercept", *map(str, range(own.shape[1]))]
        term = FeMat.from_columns(np.column_stack([np.ones(len(own)), own]), names, None)
        rows = besides_constant("scale", parts["scale"])
        estimable &= on_kept_columns(term, np.column_stack([np.ones(len(rows)), rows]))[1]
    return estimable


def check_latent(model) -> None:
    """Refuse means of the latent variable where thresholds depend on predictors."""
    if "nominal" in model.frame.parts:
        raise OptionError(
            "with nominal effects the predictors move thresholds differently, so that there is no "
            'mean of a latent variable: take type="prob"'
        )
