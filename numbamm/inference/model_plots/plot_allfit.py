"""`model.plot.allfit`: the model fitted with many optimisers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.inference.diagnostics.allfit import TOLERANCE
from numbamm.inference.diagnostics.allfit import allfit as compute
from numbamm.report.plots.axes import ready


@names_arguments
def allfit(
    model,
    optimizers: str | Iterable[str] | None = None,
    *,
    maxfeval: int | None = None,
    maxtime: float | None = None,
    tolerance: float = TOLERANCE,
    axes=None,
) -> np.ndarray:
    """Fit the model with one optimiser after another, and plot how their minima compare.

    ``mm.allfit(model).plot()`` does the same, and keeps the fits.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    optimizers, maxfeval, maxtime, tolerance
        As for `numbamm.allfit`.
    axes : sequence of two matplotlib Axes, optional
        Where to draw; a new figure, if not given.

    Returns
    -------
    ndarray of matplotlib Axes, shape (2,)
        By how much each objective exceeds the best one, and the numbers of evaluations.

    Raises
    ------
    NotFittedError
        The model has no estimates, and needs some.
    OptionError
        An option is unknown, or matplotlib is not installed.

    See Also
    --------
    allfit : The fits; they draw themselves, too.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> [ax.get_xlabel() for ax in m.plot.allfit(["newton", "nlopt:LN_BOBYQA"])]
    ['Objective above the best', 'Evaluations']
    """
    _ = model.estimates
    ready(axes=axes)
    fits = compute(model, optimizers, maxfeval=maxfeval, maxtime=maxtime, tolerance=tolerance)
    return fits.plot(axes=axes)
