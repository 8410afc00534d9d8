"""`model.plot.qq`: residuals against the quantiles of the normal distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numbamm.elsewhere import names_arguments
from numbamm.inference.diagnostics.quantile_residuals import quantile_residuals
from numbamm.report.plots.quantiles import Sample, quantiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@names_arguments
def qq(model, *, seed: int | None = 0, ax: Axes | None = None) -> Axes:
    """Plot ordered residuals against normal quantiles; the diagonal is where they should be.

    The band holds each point with 95 % probability if the model is right. The QQ plot of random
    effects is ``model.plot.ranef(kind="qq")``.

    Parameters
    ----------
    model : MixedModel
        A fitted model. Its residuals are studentized for a linear model, and randomised quantile
        residuals for a generalized one, which are standard normal for counts and events, too.
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
        matplotlib is not installed, or a family of the user's own does not say how to draw.

    See Also
    --------
    Plots.residuals, Plots.scale_location

    Notes
    -----
    Residuals are those given the random effects, which follow the data: they vary a little less
    than standard normal ones where groups are small.

    References
    ----------
    Dunn & Smyth, 1996, J. Comput. Graph. Stat. 5, 236.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> m.plot.qq().get_xlabel()
    'Normal quantile'
    """
    values = quantile_residuals(model, seed)
    name = "Studentized residual" if model.is_linear else "Randomized quantile residual"
    [drawn] = quantiles([Sample(values, name, standard=True)], None if ax is None else [ax])
    return drawn
