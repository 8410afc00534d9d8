"""`heatmaps`: correlation matrices as coloured squares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from numbamm.report.plots import axes as canvas

#: Up to so many rows the numbers are written into the squares.
WRITTEN = 12

#: Width of a square, and of a figure with several matrices side by side, in inches.
CELL, WIDEST = 0.5, 10.0


def heatmaps(correlations: Mapping[str, pd.DataFrame], axes=None) -> np.ndarray:
    """Draw each matrix, the two ends of the scale in the first two colours of the style's cycle.

    Parameters
    ----------
    correlations : dict of str to pandas.DataFrame
        Square frames by title, with names of rows and columns.
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (matrices,)
    """
    from matplotlib.colors import LinearSegmentedColormap

    own, axes = axes is None, _axes(axes, list(correlations.values()))
    ends = canvas.cycle(1), axes[0].get_facecolor(), canvas.cycle(0)
    colours = LinearSegmentedColormap.from_list("correlation", ends)
    for ax, (title, frame) in zip(axes, correlations.items(), strict=True):
        p, values = len(frame), frame.to_numpy(dtype=float)
        image = ax.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=-1, vmax=1)
        canvas.ticks(ax.xaxis, range(p), frame.columns)
        canvas.ticks(ax.yaxis, range(p), frame.index)
        for tick in ax.get_xticklabels():
            tick.set(rotation=40, ha="right", rotation_mode="anchor")
        ax.grid(False)
        if p <= WRITTEN:
            size = "small" if p < 7 else "x-small"
            for row, column in np.ndindex(p, p):
                value = values[row, column]
                text = "–" if np.isnan(value) else f"{value:.2f}".replace("-0.00", "0.00")
                colour = _readable(colours((value + 1) / 2), ax)
                ax.text(column, row, text, color=colour, ha="center", va="center", fontsize=size)
        canvas.label(ax, title=title)
    if own:
        # In the middle, titles of small matrices do not reach the bar; ticks that matplotlib
        # chooses change while it lays the figure out, and the label would be cut off.
        style = {"fraction": 0.05, "shrink": 0.6, "panchor": False, "ticks": [-1, -0.5, 0, 0.5, 1]}
        axes[0].figure.colorbar(image, ax=list(axes), label="Correlation", **style)
    return axes


def _axes(axes, frames: list[pd.DataFrame]) -> np.ndarray:
    """Axes of sizes in proportion to the matrices, side by side or, if wide, one below another."""
    cells = np.array([CELL * len(frame) for frame in frames])
    names = [0.08 * max(len(str(name)) for name in frame.index) for frame in frames]
    wide, high = cells + names, cells + 0.65 * np.array(names) + 0.4
    if axes is not None or wide.sum() + 1.0 <= WIDEST:
        columns, ratios = len(frames), {"width_ratios": wide}
        size = (max(float(wide.sum()) + 1.0, 3.2), max(float(high.max()), 2.4))
    else:
        columns, ratios = 1, {"height_ratios": high}
        size = float(wide.max()) + 1.2, float(high.sum())
    return canvas.several(axes, len(frames), columns=columns, size=size, gridspec_kw=ratios)


def _readable(cell, ax):
    """The colour of texts or that of the background, whichever is farther from a cell's colour."""
    from matplotlib.colors import to_rgb

    light = np.array([0.299, 0.587, 0.114])
    choices = canvas.pyplot().rcParams["text.color"], ax.get_facecolor()
    return max(choices, key=lambda c: abs(light @ (np.array(to_rgb(c)) - cell[:3])))
