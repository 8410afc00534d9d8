"""`model.plot.effects`: how the response depends on one variable, or on several together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.inference.fixed.emmeans import emmeans, named_variables
from numbamm.inference.marginal.mean_kinds import grid_for
from numbamm.options import mapping

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Number of points of a curve.
FINE = 60

#: Covariates with at most so many values are taken at these, beside another variable.
FEW = 4


@names_arguments
def effects(
    model,
    specs: str | Iterable[str],
    *,
    by: str | Iterable[str] = (),
    at: Mapping[str, Any] | None = None,
    points: str | None = "data",
    type: str = "response",
    ddf: str | None = None,
    alpha: float = 0.05,
    weights: str = "equal",
    ax: Axes | None = None,
    axes=None,
) -> np.ndarray:
    """Plot the mean response as a function of a variable, with a band for its uncertainty.

    The means are those of `emmeans`: for the population, averaged over other factors, at the
    means of other covariates.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    specs : str or list of str
        The variable at the x axis; with a second one, as in ``"x:z"``, there is a curve for each
        of its values, and with more, or ``"x | g"``, a panel.
    by : str or list of str
        Variables that make panels.
    at : dict, optional
        Values of variables. Of covariates, if not given: 60 values from the least to the largest
        at the x axis; one standard deviation below the mean, the mean, and one above, of others.
    points : {"data", "partial"}, optional
        What to draw besides: the response; partial residuals, the mean at the row's value plus
        its residual, which show what the curve is fitted to; or None, nothing. Of responses with
        few values, such as 0 and 1, averages in bins are drawn. Of more than 2,000 rows a sample
        is drawn. The few that would squeeze the band are triangles at the edge.
    type : {"response", "link"}
        The scale; see `emmeans`.
    ddf, weights : optional
        As for `emmeans`.
    alpha : float
        One minus the coverage of the band, for each point alone.
    ax, axes : matplotlib Axes, or a sequence of them, optional
        Where to draw one panel, or several; a new figure, if neither is given.

    Returns
    -------
    ndarray of matplotlib Axes
        A panel for each combination of the variables after the second, or of `by`.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        A variable or an option is unknown, or matplotlib is not installed.

    See Also
    --------
    emmeans : The numbers.
    Plots.means : Of factors.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> [ax] = m.plot.effects("Days")
    >>> ax.get_ylabel()
    'Reaction'
    """
    _ = model.estimates
    at = {} if at is None else dict(mapping("at", at))
    grid = grid_for(model, type)
    names, groups = named_variables(specs, by, grid.values)
    for k, name in enumerate([*names, *groups]):
        grid.check(name)
        if name not in grid.factors and name not in at:
            at[name] = _along(grid.frame.columns[name]) if k == 0 else _typical(grid.frame, name)
    means = emmeans(
        model, names, by=groups, at=at, ddf=ddf, type=type, weights=weights, alpha=alpha
    )
    return means.plot(points=points, ax=ax, axes=axes)


def _along(column) -> np.ndarray:
    """Values from the least to the largest one."""
    values = column.to_numpy(dtype=float)
    return np.linspace(values.min(), values.max(), FINE)


def _typical(frame, name: str) -> np.ndarray:
    """The values of a covariate, if they are few; its mean, and a standard deviation about it."""
    values = frame.columns[name].to_numpy(dtype=float)
    if len(np.unique(values)) <= FEW:
        return np.unique(values)
    return values.mean() + values.std(ddof=1) * np.array([-1.0, 0.0, 1.0])
