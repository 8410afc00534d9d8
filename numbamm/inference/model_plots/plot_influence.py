"""`model.plot.influence`: the influence of rows, or of the levels of a factor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.inference.diagnostics.deletion import delete_levels
from numbamm.inference.diagnostics.influence import influence as influence_of_rows
from numbamm.inference.model_plots.plot_ranef import checked_group
from numbamm.report.plots.axes import ready

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@names_arguments
def influence(
    model, group: str | None = None, *, refit: bool = True, ax: Axes | None = None, axes=None
) -> Axes | np.ndarray:
    """Plot residuals against leverage or, for a grouping factor, what deleting its levels changes.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    group : str, optional
        A grouping factor, each level of which is left out in turn; see `delete_levels`. The
        influence of rows, if not given: the five with the largest Cook's distances are named, and
        contours show two distances.
    refit : bool
        Whether to estimate all parameters again without each level.
    ax : matplotlib Axes, optional
        Where to draw the rows; a new figure, if not given.
    axes : sequence of matplotlib Axes, optional
        Where to draw the levels: Cook's distance, then the change of each coefficient.

    Returns
    -------
    matplotlib Axes, or ndarray of matplotlib Axes for levels

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The factor is unknown, matplotlib is not installed, or `ax` was given for levels or `axes`
        for rows.

    See Also
    --------
    influence, delete_levels : The numbers.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> m.plot.influence().get_xlabel()
    'Leverage'
    """
    ready(ax, axes)
    if group is None and axes is not None:
        raise OptionError("axes are for the levels of a group: give group, or ax for the rows")
    if group is not None and ax is not None:
        raise OptionError(f"ax is for the rows: give axes for the levels of '{group}'")
    if group is not None:
        checked_group(group, [term.group for term in model.reterms])
        return delete_levels(model, group, refit=refit).plot(axes=axes)
    return influence_of_rows(model).plot(ax=ax)
