"""`population_predictions`: mean responses of rows, averaged over the random effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from numbamm.formula.columns import Table
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.refgrid import left_of_bar
from numbamm.inference.marginal.mean_kinds import grid_for, means_of
from numbamm.inference.marginal.population import Rows, of_known_covariance
from numbamm.inference.prediction.model_rows import ModelRows


def population_predictions(model, newdata, type: str, se: bool, interval: bool, alpha: float):
    """Means of the response over the distribution of the random effects.

    Parameters
    ----------
    model : MixedModel
    newdata : frame, dict of arrays or None
        None: the rows of the fit.
    type : str
        Of models of several parts: what is predicted.
    se, interval : bool
        Whether to return standard errors and confidence intervals, too.
    alpha : float

    Returns
    -------
    pandas.Series or pandas.DataFrame
    """
    means: Any = means_of(model, grid_for(model, type), type, integrated=True)
    table = ModelRows.of_fit(model) if newdata is None else ModelRows.new(model, newdata, [])
    known = np.ones(len(table.X), bool) if table.missing is None else ~table.missing
    own = newdata is None
    z = [term.z for term in model.reterms] if own else _columns(model, newdata, known)
    z = [of_known_covariance(term, x, own) for term, x in zip(model.reterms, z, strict=True)]
    offset = np.zeros(len(known)) if table.offset is None else table.offset
    X = np.zeros((len(known), len(model.feterm.cnames)))
    X[:, model.feterm.kept] = (
        table.X
    )  # as in other predictions, coefficients that were dropped are 0
    rows = Rows(X[known], offset[known], z, [False] * len(z))
    rows = means.with_parts(rows, {name: X[known] for name, X in table.parts.items()})
    value, gradient = means.at(rows)
    columns = {"prediction": value}
    if se or interval:
        parameters = means.parameters(degrees.method(model, "wald"))
        kept = means.on_kept(gradient)
        error = np.sqrt(np.einsum("nx,xy,ny->n", kept, parameters.covariance, kept))
    if se:
        columns["se"] = error
    if interval:
        columns["lower"], columns["upper"] = means.limits(value, error, ndtri(1 - alpha / 2))
    series = {}
    for name, values in columns.items():
        whole = np.full(len(known), np.nan)
        whole[known] = values
        series[name] = table.aligned(whole, name)
    return pd.DataFrame(series) if len(series) > 1 else series["prediction"]


def _columns(model, newdata, known) -> list[np.ndarray]:
    """The columns left of the bar of each term, in the rows without missing values."""
    table, frame = Table(newdata), model.frame
    factors = {name for part in frame.design.terms for name in part.grouping.factors}
    columns = set().union(*(part.columns for part in frame.design.terms)) - factors
    columns |= frame.design.fixed_columns
    table.require(sorted(columns), "the new data")
    values = pd.DataFrame({name: table.column(name) for name in sorted(columns)})
    values = values.set_axis(range(len(known)))[known].reset_index(drop=True)
    if not columns:
        values = pd.DataFrame(index=range(int(known.sum())))
    return [left_of_bar(frame, members, values) for members in frame.members]
