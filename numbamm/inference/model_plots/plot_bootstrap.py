"""`model.plot.bootstrap`: distributions of estimates by the parametric bootstrap."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.inference.resampling.bootstrap import bootstrap as compute
from numbamm.report.plots.axes import ready

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@names_arguments
def bootstrap(
    model,
    parameters: str | Iterable[str] | None = None,
    *,
    n: int = 1000,
    seed: int | None = None,
    alpha: float = 0.05,
    method: str = "shortest",
    workers=1,
    progress: bool | None = None,
    ax: Axes | None = None,
    axes=None,
) -> np.ndarray:
    """Draw responses, fit the model to each, and plot the estimates.

    ``model.bootstrap(1000).plot()`` does the same, and keeps the replicates.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    parameters, alpha, method
        As for ``Bootstrap.plot``.
    n, seed, workers, progress
        As for `numbamm.bootstrap`.
    ax, axes : matplotlib Axes, or a sequence of them, optional
        Where to draw one panel, or several; a new figure, if neither is given.

    Returns
    -------
    ndarray of matplotlib Axes
        A panel for each parameter.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option is unknown, or matplotlib is not installed.

    See Also
    --------
    bootstrap : The replicates; they draw themselves, too.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> [ax.get_xlabel() for ax in m.plot.bootstrap("sigma", n=100, seed=1)]
    ['sigma']
    """
    ready(ax, axes)
    replicates = compute(model, n, seed, workers=workers, progress=progress)
    return replicates.plot(parameters, alpha=alpha, method=method, ax=ax, axes=axes)
