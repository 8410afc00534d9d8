"""`leverage`: residuals against leverage, with contours of Cook's distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.report.plots import axes as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Number of rows that are labelled.
LABELLED = 5


def leverage(h, residuals, cooks, names, *, rank: int, ax=None) -> Axes:
    """Draw studentized residuals against leverages, and name the rows of largest distance.

    Parameters
    ----------
    h, residuals, cooks : ndarray, shape (n,)
        Leverages, studentized residuals and Cook's distances.
    names : sequence
        Labels of the rows.
    rank : int
        Number of coefficients.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = canvas.one(ax)
    h, residuals, cooks = (np.asarray(v, dtype=float) for v in (h, residuals, cooks))
    known = np.isfinite(residuals) & np.isfinite(h)
    ax.axhline(0.0, **canvas.reference())
    canvas.points(ax, h[known], residuals[known], color=canvas.cycle(0))
    ax.set_xlim(left=0)
    limits, right = ax.get_ylim(), ax.get_xlim()[1]
    x = np.linspace(1e-4, min(right, 0.999), 200)
    levels, lines = _levels(cooks[known]), []
    for level in levels:
        height = np.sqrt(level * rank * (1 - x) / x)
        for sign in (1, -1):
            lines += ax.plot(x, sign * height, "--", color=canvas.cycle(1), linewidth=0.8)
    ax.set(ylim=limits, xlim=(0, right))
    if levels:
        named = " and ".join(f"{level:g}" for level in levels)
        canvas.legend(ax, lines[:1], [f"Cook's distance {named}"])
    order = np.argsort(np.where(known, np.nan_to_num(cooks, nan=-1.0), -1.0))[::-1]
    chosen = [i for i in order[:LABELLED] if known[i]]
    canvas.annotate(ax, h[chosen], residuals[chosen], [names[i] for i in chosen])
    canvas.label(ax, "Leverage", "Studentized residual")
    return ax


def _levels(cooks) -> list[float]:
    """Two round numbers up to the largest distance."""
    largest = float(np.nanmax(cooks, initial=0.0))
    if not largest > 0:
        return []
    rounds = [m * 10.0**k for k in range(-8, 9) for m in (1, 2, 5)]
    return [level for level in rounds if level <= 1.5 * largest][-2:]
