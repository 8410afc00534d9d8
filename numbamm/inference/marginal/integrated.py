"""`integrated_means`: marginal means of the response over the distribution of random effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from numbamm.inference.fixed.marginalmeans import level_note
from numbamm.inference.fixed.refgrid import ReferenceGrid
from numbamm.inference.marginal.all_parameters import ParameterCovariance
from numbamm.inference.marginal.averages import INESTIMABLE, Averages, tests
from numbamm.inference.marginal.population import ResponseMeans
from numbamm.inference.marginal.population_prediction import limits


def integrated_means(
    model, grid: ReferenceGrid, names: list[str], by: list[str], weights: str, method, alpha: float
) -> Averages:
    """Means of the response over the distribution of the random effects, on a reference grid.

    Parameters
    ----------
    model : MixedModel
    grid : ReferenceGrid
    names, by : list of str
        The variables whose combinations have a mean, and those within which they are compared.
    weights : str
        As for `ReferenceGrid.cells`.
    method : object
        The method of degrees of freedom.
    alpha : float
    """
    cells = grid.cells([*names, *by], weights)
    means = ResponseMeans(model, grid, integrated=True)
    rows = means.rows(grid.rows, are_data=False)
    value, gradient = map(cells.average, means.at(rows))
    gradient, estimable = means.of_parameters(gradient)
    value = np.where(estimable, value, np.nan)
    parameters = ParameterCovariance.of(model, method)
    of_beta = method if model.is_linear else None
    frame = tests(value, gradient, parameters.covariance, of_beta, alpha)
    frame = frame.drop(columns=["statistic", "pvalue"])
    half = stdtrit(frame["df"], 1 - alpha / 2)
    frame["lower"], frame["upper"] = limits(model, value, frame["se"].to_numpy(), half.to_numpy())
    notes = ["Means of the response over the distribution of the random effects."]
    averaged = [term.group for term, flag in zip(model.reterms, rows.averaged, strict=True) if flag]
    if averaged:
        notes.append(
            f"The variance by {', '.join(averaged)} is averaged over the data, which have columns "
            "that the grid lacks."
        )
    notes += grid.averaged([*names, *by], weights)
    if not estimable.all():
        notes.append(INESTIMABLE)
    return Averages(
        f"Marginal means of the response, {method.title}",
        pd.concat([cells.labels, frame], axis=1),
        [*notes, level_note(alpha, "none"), *parameters.notes, *method.notes],
        headings={"estimate": "Mean"},
        labels=cells.labels,
        by=by,
        gradient=gradient,
        parameters=parameters.covariance,
        method=of_beta,
        alpha=alpha,
    )
