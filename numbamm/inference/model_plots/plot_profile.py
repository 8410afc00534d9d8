"""`model.plot.profile`: profiles of the likelihood."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.inference.profiling.pairs import refuse_many
from numbamm.inference.profiling.profile import PLOTS, requested
from numbamm.inference.profiling.profile import profile as compute
from numbamm.options import one_of
from numbamm.report.plots.axes import ready

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@names_arguments
def profile(
    model,
    parameters: str | Iterable[str] | None = None,
    *,
    kind: str = "zeta",
    alpha: float = 0.01,
    progress: bool | None = None,
    ax: Axes | None = None,
    axes=None,
) -> np.ndarray:
    """Profile the likelihood and plot it; ``model.profile().plot()`` keeps the numbers.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    parameters, alpha, progress
        As for `numbamm.profile`.
    kind : {"zeta", "abs", "density", "pairs"}
        As for ``Profile.plot``.
    ax, axes : matplotlib Axes, or a sequence of them, optional
        Where to draw one panel, or several; a new figure, if neither is given.

    Returns
    -------
    ndarray of matplotlib Axes
        A panel for each parameter, or pair of parameters.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option is unknown, or matplotlib is not installed.

    See Also
    --------
    profile : The numbers; they draw themselves, too.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> [ax.get_xlabel() for ax in m.plot.profile(["sigma", "sd_Intercept|Batch"])]
    ['sigma', 'sd_Intercept|Batch']
    """
    ready(ax, axes)
    one_of("kind", kind, PLOTS)
    if kind == "pairs":  # before the profiles are computed
        refuse_many(requested(model, parameters))
    return compute(model, parameters, alpha=alpha, progress=progress).plot(
        kind=kind, ax=ax, axes=axes
    )
