"""`grid_averages`: marginal means of responses, averages of those at each row of a grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from numbamm.errors import OptionError
from numbamm.inference.fixed import series
from numbamm.inference.fixed.backtransform import BackTransform
from numbamm.inference.fixed.marginalmeans import level_note
from numbamm.inference.fixed.refgrid import ReferenceGrid
from numbamm.inference.marginal.averages import INESTIMABLE, Averages, tests
from numbamm.report.plots import axes as canvas
from numbamm.report.plots.means_and_bands import means_and_bands


@dataclass(repr=False)
class GridAverages(Averages):
    """Marginal means that are averages over a grid, drawn as `MarginalMeans` are.

    Attributes
    ----------
    model : MixedModel
    columns : dict of str → pandas.Series
        The variables in the rows of the data.
    factors : list of str
        Those of the variables that are factors.
    ylabel : str
    has_points : bool
        Whether responses are values of what is averaged.
    value, type : str
        The column of the averages, and their scale.
    back : BackTransform
        The transformation from linear predictors to the scale of the response.
    n_panels : int
        Number of panels that `plot` draws.

    See Also
    --------
    emmeans : Makes them.

    Examples
    --------
    >>> import numbamm as mm
    >>> ticks = mm.datasets.load("grouseticks")
    >>> m = mm.glmm("TICKS ~ YEAR + (1 | BROOD)", ticks, "poisson", zi="~ YEAR")
    >>> m.emmeans("YEAR", type="zprob").plot()[0].get_ylabel()
    'P(zero of the part zi)'
    """

    type: ClassVar[str] = "response"

    model: Any = field(kw_only=True)
    columns: Any = field(kw_only=True)
    factors: list[str] = field(kw_only=True)
    ylabel: str = field(kw_only=True)
    has_points: bool = field(kw_only=True)

    def plot(  # type: ignore[override]  # as of `MarginalMeans`
        self, *, points: str | None = None, ax=None, axes=None
    ) -> np.ndarray:
        """Draw the averages with intervals; see ``MarginalMeans.plot``.

        Parameters
        ----------
        points : {"data"}, optional
            Draw the responses, too, if these are averages of responses.
        ax, axes : matplotlib Axes, or a sequence of them, optional
            Where to draw one panel, or several; a new figure, if neither is given.

        Returns
        -------
        ndarray of matplotlib Axes

        Raises
        ------
        OptionError
            There are no such points, or matplotlib is not installed.

        See Also
        --------
        Averages.pairs : Comparisons, which draw themselves, too.

        Examples
        --------
        >>> import numbamm as mm
        >>> ticks = mm.datasets.load("grouseticks")
        >>> m = mm.glmm("TICKS ~ YEAR + (1 | BROOD)", ticks, "poisson", zi="~ 1")
        >>> m.emmeans("YEAR", type="response").plot()[0].get_ylabel()
        'TICKS'
        """
        if points == "partial":
            raise OptionError(
                'points="partial" are of the linear predictor: take type="link", or points="data"'
            )
        if points == "data" and not self.has_points:
            raise OptionError(f'points="data" are responses, but the averages are {self.ylabel}')
        x, second, _ = series.variables(self)
        return means_and_bands(
            series.panels_of(self, points),
            xlabel=self.model.frame.with_unit(x),
            ylabel=self.ylabel,
            levels=series.levels(self, x),
            legend=None if second is None else self.model.frame.with_unit(second),
            axes=canvas.either(ax, axes),
        )

    @property
    def n_panels(self) -> int:
        """Number of panels of `plot`."""
        return len(series.panels_of(self))

    @property
    def back(self) -> BackTransform:
        """The transformation from linear predictors to the scale of the response."""
        return BackTransform(self.model)


def grid_averages(
    means, grid: ReferenceGrid, names: list[str], by: list[str], weights: str, method, alpha: float
) -> GridAverages:
    """Averages on the scale of the response over a reference grid.

    Parameters
    ----------
    means : ResponseMeans or CategoryMeans
        Mean responses of rows, or other predictions.
    grid : ReferenceGrid
    names, by : list of str
        The variables whose combinations have a mean, and those within which they are compared.
    weights : str
        As for `ReferenceGrid.cells`.
    method : object
        The method of degrees of freedom.
    alpha : float
    """
    model, cells, outcomes = means.model, grid.cells([*names, *by], weights), means.outcomes
    rows = means.rows(grid.rows, are_data=False)
    value, gradient = map(cells.average, means.at(rows))
    gradient, estimable = means.of_parameters(gradient.reshape(-1, gradient.shape[-1]))
    value = np.where(estimable, value.ravel(), np.nan)
    parameters = means.parameters(method)
    of_beta = method if model.is_linear else None
    frame = tests(value, gradient, parameters.covariance, of_beta, alpha)
    frame = frame.drop(columns=["statistic", "pvalue"]).rename(columns={"estimate": means.value})
    half = stdtrit(frame["df"], 1 - alpha / 2)
    frame["lower"], frame["upper"] = means.limits(value, frame["se"].to_numpy(), half.to_numpy())
    labels = cells.labels.loc[np.repeat(np.arange(len(cells.labels)), len(outcomes))]
    labels = labels.reset_index(drop=True)
    for name in outcomes[0]:
        levels = [line[name] for line in outcomes]
        labels[name] = pd.Categorical(levels * len(cells.labels), levels, ordered=True)
    notes = [*means.notes(), *means.notes_of_rows(rows)]
    notes += grid.averaged([*names, *by], weights) + grid.held([*names, *by])
    if not estimable.all():
        notes.append(INESTIMABLE)
    return GridAverages(
        f"{means.title}, {method.title}",
        pd.concat([labels, frame], axis=1),
        [*notes, level_note(alpha, "none"), *parameters.notes, *method.notes],
        headings={means.value: means.heading},
        value=means.value,
        labels=labels,
        by=[*by, *outcomes[0]],
        gradient=gradient,
        parameters=parameters.covariance,
        method=of_beta,
        alpha=alpha,
        model=model,
        columns=grid.frame.columns,
        factors=grid.factors,
        ylabel=means.ylabel,
        has_points=means.is_of_responses,
    )
