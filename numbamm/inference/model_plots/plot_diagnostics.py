"""`model.plot.diagnostics`, also ``model.plot()``: four plots that tell whether a model fits."""

from __future__ import annotations

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.inference.model_plots.plot_qq import qq
from numbamm.inference.model_plots.plot_ranef import effect_samples
from numbamm.inference.model_plots.plot_residuals import residuals
from numbamm.inference.model_plots.plot_scale_location import scale_location
from numbamm.report.plots import axes as canvas
from numbamm.report.plots.quantiles import quantiles


@names_arguments
def diagnostics(model, *, seed: int | None = 0, axes=None) -> np.ndarray:
    """Plot residuals, their quantiles and their size, and quantiles of random effects.

    ``model.plot()`` is the same.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    seed : int, optional
        Seed of randomised residuals of generalized models; see ``model.plot.qq``.
    axes : sequence of four matplotlib Axes, optional
        Where to draw; a new figure, if not given.

    Returns
    -------
    ndarray of matplotlib Axes, shape (4,)
        The plots `residuals`, `qq` and `scale_location`; and the first effect of the grouping
        factor with most levels against normal quantiles.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        matplotlib is not installed.

    See Also
    --------
    numbamm.check_convergence : Whether the fit converged.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> [ax.get_ylabel() for ax in m.plot.diagnostics()][1::2]
    ['Studentized residual', '(Intercept) of Subject']
    """
    effects = model.ranef(condvar=True)
    count = 4 if model.reterms else 3  # the last one is of random effects
    axes = canvas.several(axes, count, columns=2, panel=(4.2, 3.2))
    residuals(model, ax=axes[0])
    qq(model, seed=seed, ax=axes[1])
    scale_location(model, seed=seed, ax=axes[2])
    if not model.reterms:
        return axes
    group = effects["group"].value_counts(sort=False).idxmax()
    [first, *_] = effect_samples(group, effects[effects["group"] == group])
    quantiles([first._replace(title=None, ylabel=f"{first.ylabel} of {group}")], axes[3])
    return axes
