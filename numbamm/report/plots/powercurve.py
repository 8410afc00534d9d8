"""`powercurve`: power by the number of levels of a factor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from numbamm.report.plots import axes as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def powercurve(frame: pd.DataFrame, along: str, *, target: float = 0.8, ax=None) -> Axes:
    """Draw the power of each coefficient with its interval, and a line at the wanted power.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns ``coefficient, power, lower, upper``, and the number of levels.
    along : str
        The column with the number of levels.
    target : float
        The wanted power.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = canvas.one(ax)
    ax.axhline(target, **canvas.reference())
    handles, names = [], []
    for k, (name, part) in enumerate(frame.groupby("coefficient", sort=False)):
        part = part.sort_values(along)
        color = canvas.cycle(k)
        ax.vlines(part[along], part["lower"], part["upper"], color=color, linewidth=1.2)
        handles += ax.plot(part[along], part["power"], color=color, marker="o", markersize=4)
        names.append(name)
    ax.set_ylim(-0.03, 1.03)
    canvas.label(ax, f"Levels of {along}", "Power")
    if len(names) > 1:
        canvas.legend(ax, handles, names)
    else:
        canvas.label(ax, title=str(names[0]))
    return ax
