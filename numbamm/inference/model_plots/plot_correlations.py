"""`model.plot.correlations`: correlation matrices of random and of fixed effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.options import one_of
from numbamm.report.content import shown_name
from numbamm.report.plots import axes as canvas
from numbamm.report.plots.heatmap import heatmaps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EFFECTS = ("random", "fixed")


@names_arguments
def correlations(
    model, effects: str | None = None, *, ax: Axes | None = None, axes=None
) -> np.ndarray:
    """Plot the estimated correlations of random effects, and of the estimates of fixed ones.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    effects : {"random", "fixed"}, optional
        Which of them; both, if not given.
    ax, axes : matplotlib Axes, or a sequence of them, optional
        Where to draw one panel, or several; a new figure, if neither is given.

    Returns
    -------
    ndarray of matplotlib Axes
        A panel for each term with correlated random effects, and one for the fixed effects.
        Correlations that the formula sets to zero are missing.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        There are no correlations, or matplotlib is not installed.

    See Also
    --------
    LinearMixedModel.varcorr, LinearMixedModel.corr_params

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> [ax.get_title() for ax in m.plot.correlations()]
    ['Random effects of Subject', 'Estimates of fixed effects']
    """
    wanted = EFFECTS if effects is None else (one_of("effects", effects, EFFECTS),)
    found = {}
    if "random" in wanted:
        for term in model.varcorr.terms:
            estimated = term.estimated & ~np.eye(len(term.names), dtype=bool)
            if estimated.any():  # else they are zero by the formula
                title = f"Random effects of {term.group}"
                found[_unused(title, found)] = _square(
                    np.where(term.estimated, term.corr, np.nan), term.names
                )
    if "fixed" in wanted and len(model.params) > 1:
        table = model.corr_params()
        found["Estimates of fixed effects"] = _square(table.to_numpy(), table.index)
    if not found:
        raise OptionError(f"there are no correlations of {' or '.join(wanted)} effects to plot")
    return heatmaps(found, canvas.either(ax, axes))


def _square(values, names) -> pd.DataFrame:
    labels = [shown_name(str(name)) for name in names]
    return pd.DataFrame(values, index=labels, columns=labels)


def _unused(title: str, found: dict) -> str:
    """A title that no other term on the same factor has."""
    number = sum(name.startswith(title) for name in found)
    return f"{title} ({number + 1})" if number else title
