"""`model.plot.means`: marginal means with intervals, and comparisons of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.inference.fixed.emmeans import emmeans
from numbamm.options import flag
from numbamm.report.plots import axes as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@names_arguments
def means(
    model,
    specs: str | Iterable[str],
    *,
    by: str | Iterable[str] = (),
    at: Mapping[str, Any] | None = None,
    comparisons: bool = False,
    adjust: str | None = None,
    type: str = "response",
    ddf: str | None = None,
    alpha: float = 0.05,
    weights: str = "equal",
    ax: Axes | None = None,
    axes=None,
) -> np.ndarray:
    """Plot marginal means with intervals, and differences of each pair of them if wanted.

    ``model.emmeans(...).plot()`` and ``model.emmeans(...).pairs().plot()`` keep the numbers.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    specs, by, at, ddf, weights
        As for `emmeans`. The first variable is at the x axis, a second one makes series, others
        and those of `by` make panels.
    comparisons : bool
        Whether to draw comparisons of each pair of means in one more panel.
    adjust : str, optional
        Adjustment of their intervals; Tukey's for means of the linear predictor, if not given, and
        Holm's for averages of responses. See ``MarginalMeans.contrast``.
    type : {"response", "link"}
        The scale of the means.
    alpha : float
        One minus the coverage of the intervals.
    ax, axes : matplotlib Axes, or a sequence of them, optional
        Where to draw one panel, or several; a new figure, if neither is given.

    Returns
    -------
    ndarray of matplotlib Axes

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        A variable or an option is unknown, or matplotlib is not installed.

    See Also
    --------
    emmeans : The numbers.
    Plots.effects : Along a covariate.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("angle ~ recipe + temp + (1 | recipe:replicate)", mm.datasets.load("cake"))
    >>> [tick.get_text() for tick in m.plot.means("recipe")[0].get_xticklabels()]
    ['A', 'B', 'C']
    """
    found = emmeans(model, specs, by=by, at=at, ddf=ddf, type=type, weights=weights, alpha=alpha)
    if not flag("comparisons", comparisons):
        return found.plot(ax=ax, axes=axes)
    axes = canvas.either(ax, axes)
    pairs, n = found.pairs(*([] if adjust is None else [adjust])), found.n_panels
    if axes is None:  # the means side by side, and beside them as many lines as there are pairs
        size, ratios = (2.6 * n + 3.8, max(3.2, 0.2 * len(pairs.frame) + 0.8)), [2.6] * n + [3.8]
        axes = canvas.several(
            None, n + 1, columns=n + 1, size=size, gridspec_kw={"width_ratios": ratios}
        )
        for ax in axes[1:n]:
            ax.sharey(axes[0])
            ax.tick_params(labelleft=False)
    axes = canvas.several(axes, n + 1)
    found.plot(axes=axes[:n])
    pairs.plot(ax=axes[n])
    return axes
