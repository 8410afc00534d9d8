"""`emtrends`: slopes of the linear predictor by a covariate, averaged over a reference grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, shown
from numbamm.inference.categories.category_means import check_latent
from numbamm.inference.fixed.backtransform import BackTransform
from numbamm.inference.fixed.emmeans import WEIGHTS, bare, named_variables
from numbamm.inference.fixed.marginalmeans import MarginalMeans, estimates_of_rows, level_note
from numbamm.inference.fixed.refgrid import ReferenceGrid
from numbamm.inference.marginal.stencil import stencil
from numbamm.inference.parts.part_view import of_part
from numbamm.options import mapping, one_of, valid_alpha


@dataclass(repr=False)
class Trends(MarginalMeans):
    """Slopes by a covariate; `pairs` and `contrast` compare them, as they do means.

    Attributes
    ----------
    value, what : str
        The column of the estimates, and what they are.
    columns : mapping of str to pandas.Series
        As of `MarginalMeans`.

    See Also
    --------
    emtrends : Makes them.

    Examples
    --------
    >>> import numbamm as mm
    >>> cake = mm.datasets.load("cake")
    >>> m = mm.lmm("angle ~ recipe * temp + (1 | recipe:replicate)", cake, reml=True)
    >>> m.emtrends("recipe", "temp").pairs("mvt").frame["estimate"].round(3).to_list()
    [-0.011, -0.002, 0.009]
    """

    value: ClassVar[str] = "trend"
    what: ClassVar[str] = "trends"

    def _scale_name(self) -> str:
        return "Slope"


@names_arguments
def emtrends(
    model,
    specs: str | Iterable[str],
    var: str,
    *,
    by: str | Iterable[str] = (),
    at: Mapping[str, Any] | None = None,
    ddf: str | None = None,
    robust: str | None = None,
    cluster: Any = None,
    weights: str = "equal",
    alpha: float = 0.05,
    part: str | None = None,
) -> Trends:
    """Slopes of the linear predictor by a covariate, for levels of other variables.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    specs : str or list of str
        The variables: there is a slope for each combination of their values, as in `emmeans`.
    var : str
        The covariate.
    by, at, ddf, robust, cluster, weights, alpha, part
        As for `emmeans`. The slope of a curve is that at the mean of the covariate, or at the
        values in `at`.

    Returns
    -------
    Trends
        Columns for the variables, then ``trend, se, df, lower, upper``; its methods `pairs` and
        `contrast` compare the slopes.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        A variable or an option is unknown, or `var` is a factor.
    DataError
        `at` has an unknown level.

    See Also
    --------
    emmeans : The means themselves.
    slopes : Slopes on the scale of the response, averaged over the rows of the data.

    Notes
    -----
    The derivative is by differences of fourth order, over steps of 0.001 standard deviations of the
    covariate: exact for polynomials up to the fourth degree. The R package emmeans takes a first
    difference.

    Examples
    --------
    >>> import numbamm as mm
    >>> cake = mm.datasets.load("cake")
    >>> m = mm.lmm("angle ~ recipe * temp + (1 | recipe:replicate)", cake, reml=True)
    >>> m.emtrends("recipe", "temp").frame["trend"].round(3).to_list()
    [0.154, 0.165, 0.156]
    """
    alpha = valid_alpha(alpha)
    if model.has_categories:
        check_latent(model)
    model, method = of_part(model, part, ddf, robust, cluster)
    one_of("weights", weights, WEIGHTS)
    at = {} if at is None else mapping("at", at)
    grid = ReferenceGrid(model.frame, {bare(name): v for name, v in at.items()})
    if not isinstance(var, str):
        raise OptionError(f"var must be the name of a covariate, not {shown(var)}")
    var = bare(var)
    names, by = named_variables(specs, by, grid.values)
    for name in [*names, *by, var]:
        grid.check(name)
    if var in grid.factors:
        raise OptionError(f"var: '{var}' is a factor; emmeans compares the means of its levels")
    names = [name for name in grid.with_outer([*names, *by]) if name not in by]
    cells = grid.cells([*names, *by], weights)
    dx, doffset = derivative(grid, grid.rows, var)
    L, offset = cells.average(dx), cells.average(doffset)
    frame = estimates_of_rows(model, method, L, offset, alpha).drop(columns=["statistic", "pvalue"])
    frame = frame.rename(columns={"estimate": Trends.value})
    notes = [f"Slopes of the linear predictor by {var}."]
    if var not in [*names, *by] and len(grid.values[var]) == 1:
        notes.append(f"At {var} = {grid.values[var][0]:.4g}, if the slope depends on it.")
    notes += grid.averaged([*names, *by], weights)
    return Trends(
        f"Trends by {var}, {method.title}",
        pd.concat([cells.labels, frame], axis=1),
        [*notes, level_note(alpha, "none"), *method.notes],
        model=model,
        method=method,
        labels=cells.labels,
        by=by,
        factors=grid.factors,
        L=L,
        offset=offset,
        alpha=alpha,
        back=BackTransform(model),
    )


def derivative(grid: ReferenceGrid, rows: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of X and of the offset by a covariate, at rows of values of the variables."""
    column = grid.frame.columns[name].to_numpy(dtype=float)
    dx, doffset = np.zeros(()), np.zeros(())
    for point, weight in zip(*stencil(column, rows[name].to_numpy(dtype=float)), strict=True):
        X, offset = grid.matrices(rows.assign(**{name: point}))
        dx, doffset = dx + weight[:, None] * X, doffset + weight * offset
    return dx, doffset
