"""`model.plot.residuals`: residuals against fitted values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.inference.diagnostics.smoothing import binned, has_few_values, trend
from numbamm.inference.fixed.backtransform import response_name
from numbamm.options import flag, one_of
from numbamm.report.plots.scatter import scatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCALES = ("response", "link")


@names_arguments
def residuals(
    model,
    type: str = "pearson",
    *,
    scale: str = "response",
    bins: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot residuals against fitted values, with a local average.

    A trend, or a spread that changes along the fitted values, speaks against the model.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    type : {"pearson", "response", "deviance", "working"}
        The residuals; see `residuals` of the model.
    scale : {"response", "link"}
        Whether fitted values are means or linear predictors.
    bins : bool, optional
        Plot means of residuals in bins of fitted values, with a band of two standard errors about
        0. If not given, this is done for counts and events of few values, such as 0 and 1, whose
        residuals lie on a few curves whatever the model.
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
    Plots.qq, Plots.scale_location
    LinearMixedModel.residuals : The numbers.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> m.plot.residuals().get_xlabel()
    'Fitted Reaction'
    """
    one_of("scale", scale, SCALES)
    y = model.residuals(type).to_numpy()[model.frame.rows]
    x = fitted_values(model, scale)
    few = model.family_record.discrete and has_few_values(model)
    binning = few if bins is None else flag("bins", bins)
    return scatter(
        x,
        y,
        xlabel=fitted_label(model, scale),
        ylabel=f"{type.capitalize()} residual" + (", mean in bins" if binning else ""),
        level=0.0,
        trend=None if binning else trend(x, y),
        bins=binned(x, y) if binning else None,
        ax=ax,
    )


def fitted_values(model, scale: str = "response") -> np.ndarray:
    """Conditional means, or linear predictors, of the rows used."""
    return model.estimates.fitted if scale == "response" else model.estimates.eta


def fitted_label(model, scale: str = "response") -> str:
    """The name of fitted values at an axis."""
    if scale == "link" and not model.link_record.linear:
        return f"Linear predictor ({model.link})"
    return (
        "Fitted proportion"
        if model.frame.trials is not None
        else (f"Fitted {response_name(model.frame)}")
    )
