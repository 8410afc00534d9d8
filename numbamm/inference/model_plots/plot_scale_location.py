"""`model.plot.scale_location`: the size of residuals against fitted values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.inference.diagnostics.quantile_residuals import quantile_residuals
from numbamm.inference.diagnostics.smoothing import trend
from numbamm.inference.model_plots.plot_residuals import SCALES, fitted_label, fitted_values
from numbamm.options import one_of
from numbamm.report.plots.scatter import scatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The mean of √|z| for a standard normal z, 2^¼ Γ(¾) / √π.
EXPECTED = 0.8221789586623885


@names_arguments
def scale_location(
    model, *, scale: str = "response", seed: int | None = 0, ax: Axes | None = None
) -> Axes:
    """Plot the root of the size of residuals against fitted values, with a local average.

    Where the curve rises above the dotted line, what is expected of standard normal residuals,
    they vary more than elsewhere, or than the family implies.

    Parameters
    ----------
    model : MixedModel
        A fitted model. Its residuals are those of ``model.plot.qq``: studentized for a linear
        model, and randomised quantile residuals for a generalized one.
    scale : {"response", "link"}
        Whether fitted values are means or linear predictors.
    seed : int, optional
        Seed of the latter.
    ax : matplotlib Axes, optional
        Where to draw; a new figure, if not given.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option is unknown, or matplotlib is not installed.

    See Also
    --------
    Plots.residuals, Plots.qq

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> m.plot.scale_location().get_ylabel()
    '√|studentized residual|'
    """
    one_of("scale", scale, SCALES)
    size = np.sqrt(np.abs(quantile_residuals(model, seed)))
    known = np.isfinite(size)
    x, y = fitted_values(model, scale)[known], size[known]
    kind = "studentized" if model.is_linear else "randomized quantile"
    return scatter(
        x,
        y,
        xlabel=fitted_label(model, scale),
        ylabel=f"√|{kind} residual|",
        level=EXPECTED,
        trend=trend(x, y),
        ax=ax,
    )
