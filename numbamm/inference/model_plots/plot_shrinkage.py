"""`model.plot.shrinkage`: random effects before and after shrinkage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.inference.model_plots.plot_ranef import checked_group
from numbamm.models.residual_side.refusals import refuse_no_effects
from numbamm.report.content import shown_name
from numbamm.report.plots import axes as canvas
from numbamm.report.plots.shrinkage_lines import shrinkage_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@names_arguments
def shrinkage(model, group: str | None = None, *, ax: Axes | None = None, axes=None) -> np.ndarray:
    """Plot how far the model shrinks the random effects of each level towards zero.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    group : str, optional
        The grouping factor; the one with most random effects per level, if not given.
    ax, axes : matplotlib Axes, or a sequence of them, optional
        Where to draw one panel, or several; a new figure, if neither is given.

    Returns
    -------
    ndarray of matplotlib Axes
        A panel for each pair of effects; or one, if there is a single effect.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The factor is unknown, or matplotlib is not installed.

    See Also
    --------
    numbamm.shrinkage : The numbers.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> [ax.get_ylabel() for ax in m.plot.shrinkage()]
    ['Days']
    """
    refuse_no_effects(model, "plot.shrinkage")
    modes = model.ranef()
    if group is None:
        group = max(modes, key=lambda name: modes[name].shape[1])
    b = modes[checked_group(group, modes)]
    difference = model.shrinkage()[group].drop(columns="norm")
    names = [shown_name(str(name)) for name in b]
    free = b.to_numpy() + difference.to_numpy()
    return shrinkage_lines(
        names, free, b.to_numpy(), b.index.to_numpy(), group=group, axes=canvas.either(ax, axes)
    )
