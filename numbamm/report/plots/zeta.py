"""`zeta`: profiles of parameters, as ζ, its size, or the density that it implies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtri

from numbamm.errors import OptionError
from numbamm.options import one_of
from numbamm.report.plots import axes as canvas

KINDS = ("zeta", "abs", "density")

#: Coverages of the intervals that are drawn.
COVERAGES = (0.5, 0.8, 0.9, 0.95, 0.99)

#: Number of points of a curve.
FINE = 201


def zeta(curves: Mapping[str, tuple], *, kind: str = "zeta", axes=None) -> np.ndarray:
    """Draw a panel for each parameter, with the intervals of 50, 80, 90, 95 and 99 %.

    Parameters
    ----------
    curves : dict of str to tuple
        For each parameter its estimate, the values at which ζ is known, a function that
        interpolates ζ, and one that gives the limits at ±z.
    kind : {"zeta", "abs", "density"}
        Draw ζ, which is a straight line where Wald's intervals are accurate; its size; or the
        density of the parameter if ζ is standard normal.
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (parameters,)

    Raises
    ------
    OptionError
        The kind is unknown, or no parameter has a curve.
    """
    one_of("kind", kind, KINDS)
    known = {name: curve for name, curve in curves.items() if len(curve[1]) > 1}
    if not known:
        raise OptionError("no parameter has a profile that could be drawn: a variance is zero")
    columns = canvas.columns_of(len(known))
    axes = canvas.several(axes, len(known), columns=columns, panel=(2.4, 2.1))
    for k, (ax, (name, curve)) in enumerate(zip(axes, known.items(), strict=True)):
        _panel(ax, curve, kind)
        words = {"zeta": "ζ", "abs": "|ζ|", "density": "Density"}[kind]
        canvas.label(ax, name, words if k % columns == 0 else None)
    return axes


def _panel(ax, curve, kind: str) -> None:
    estimate, values, spline, limits = curve
    x = np.linspace(values[0], values[-1], FINE)
    y = spline(x)
    if kind == "density":
        slope = np.maximum(np.gradient(y, x), 0.0)
        density = slope * np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)
        low, high = limits(float(ndtri(0.975)))
        within = (x >= low) & (x <= high)
        ax.fill_between(x[within], density[within], alpha=0.2, linewidth=0, color=canvas.cycle(0))
        ax.plot(x, density, color=canvas.cycle(0))
        _mark(ax, estimate)
        ax.set_ylim(bottom=0)
        return
    ax.plot(x, np.abs(y) if kind == "abs" else y, color=canvas.cycle(0))
    for coverage in COVERAGES:
        z = float(ndtri((1 + coverage) / 2))
        low, high = limits(z)
        inside = [v for v in (low, high) if values[0] <= v <= values[-1]]
        if kind == "abs":
            heights = [abs(float(spline(v))) for v in inside]
            ax.vlines(inside, 0.0, heights, color=canvas.cycle(1), linewidth=0.8)
            if len(inside) == 2:
                ax.hlines(z, *inside, color=canvas.cycle(1), linewidth=0.8)
        else:
            ax.vlines(inside, 0.0, spline(inside), color=canvas.cycle(1), linewidth=0.8)
    if kind == "zeta":
        ax.axhline(0.0, **canvas.reference())
    _mark(ax, estimate)


def _mark(ax, estimate: float) -> None:
    """A line at the estimate; none at the infinite shape of a Poisson distribution."""
    if np.isfinite(estimate):
        ax.axvline(estimate, **canvas.reference())
