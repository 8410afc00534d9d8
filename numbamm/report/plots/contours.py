"""`contours`: regions of pairs of parameters, from their profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from numbamm.errors import OptionError
from numbamm.report.plots import axes as canvas
from numbamm.report.plots.ellipses import lower_triangle, outer_labels_only, triangle

#: Shares of the χ² distribution with two degrees of freedom that the contours stand for.
SHARES = (0.5, 0.8, 0.95)


class Profiled(NamedTuple):
    """The profile of one parameter.

    Attributes
    ----------
    estimate : float
    value : callable
        The parameter as a function of ζ; NaN beyond the profile.
    traces : dict of str to callable
        The ζ of each other parameter as a function of this one's ζ, where the others are optimal.
    """

    estimate: float
    value: Callable
    traces: dict[str, Callable]


def contours(profiles: Mapping[str, Profiled], *, axes=None) -> np.ndarray:
    """Draw regions of 50, 80 and 95 % for each pair of parameters, and the traces of profiles.

    Parameters
    ----------
    profiles : dict of str to Profiled
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (p (p - 1) / 2,)
        For the entries below the diagonal of a matrix of the parameters, row by row.

    Raises
    ------
    OptionError
        There are fewer than two parameters.

    References
    ----------
    Bates & Watts, 1988, Nonlinear Regression Analysis, section 6.1.2 and appendix 6; the function
    ``splom`` of lme4's profiles.
    """
    names = list(profiles)
    if len(names) < 2:
        raise OptionError("pairs need the profiles of two parameters or more")
    own, axes = axes is None, triangle(axes, len(names))
    for ax, (row, column) in zip(axes, lower_triangle(len(names)), strict=True):
        x, y = profiles[names[column]], profiles[names[row]]
        along_x, along_y = x.traces[names[row]], y.traces[names[column]]
        for share in SHARES:
            zx, zy = contour(along_x, along_y, np.sqrt(-2 * np.log(1 - share)))
            ax.plot(x.value(zx), y.value(zy), color=canvas.cycle(0), linewidth=1.0)
        z = np.linspace(-2.5, 2.5, 101)
        ax.plot(x.value(z), y.value(along_x(z)), color=canvas.cycle(1), linewidth=0.8)
        ax.plot(x.value(along_y(z)), y.value(z), color=canvas.cycle(1), linewidth=0.8)
        canvas.points(ax, [x.estimate], [y.estimate], color=canvas.cycle(0))
        canvas.label(ax, names[column], names[row])
    if own:
        outer_labels_only(axes, len(names))
    return axes


def contour(along_x, along_y, level: float, points: int = 181) -> tuple[np.ndarray, np.ndarray]:
    """ζ of two parameters on a contour of their profile likelihood.

    The contour touches the lines ζ = ±level of each parameter where the trace crosses them. In
    between, ζx = level cos(a + d/2) and ζy = level cos(a - d/2), with d a periodic function of a.

    Parameters
    ----------
    along_x, along_y : callable
        The other ζ as a function of that of x, and of y.
    level : float

    Returns
    -------
    tuple of ndarray, shape (points,)
        NaN if a trace ends before the level.
    """
    with np.errstate(invalid="ignore"):
        ends = np.array([level, -level])
        of_y = np.arccos(np.clip(along_x(ends) / level, -1, 1))
        of_x = np.arccos(np.clip(along_y(ends) / level, -1, 1))
    angles = np.array([[0.0, of_y[0]], [of_x[0], 0.0], [np.pi, of_y[1]], [of_x[1], np.pi]])
    if not np.isfinite(angles).all():
        return np.full(points, np.nan), np.full(points, np.nan)
    middle, gap = angles.mean(axis=1), angles[:, 0] - angles[:, 1]
    middle, gap = np.where(gap < 0, -middle, middle), np.abs(gap)
    middle, first = np.unique(np.mod(middle, 2 * np.pi), return_index=True)
    gap = gap[first]
    knots, heights = np.append(middle, middle[0] + 2 * np.pi), np.append(gap, gap[0])
    a = np.linspace(knots[0], knots[-1], points)
    d = CubicSpline(knots, heights, bc_type="periodic")(a)
    return level * np.cos(a + d / 2), level * np.cos(a - d / 2)
