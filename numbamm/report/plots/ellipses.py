"""`ellipses`: pairs of effects, with the ellipses of their estimated normal distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numbamm.report.plots import axes as canvas

#: Shares of the distribution that the ellipses contain.
SHARES = (0.5, 0.95)


def ellipses(
    names: Sequence[str], values, covariance, *, title: str | None = None, axes=None
) -> np.ndarray:
    """Draw each pair of columns, and ellipses that contain 50 % and 95 % of the distribution.

    Parameters
    ----------
    names : sequence of str
        Names of the columns.
    values : ndarray, shape (n, p)
    covariance : ndarray, shape (p, p)
        That of the normal distribution about zero.
    title : str, optional
        Stands above the first panel.
    axes : sequence of matplotlib Axes, optional

    Returns
    -------
    ndarray of matplotlib Axes, shape (p (p - 1) / 2,)
    """
    pairs, own = lower_triangle(len(names)), axes is None
    axes = triangle(axes, len(names))
    for ax, (row, column) in zip(axes, pairs, strict=True):
        ax.axhline(0.0, **canvas.reference())
        ax.axvline(0.0, **canvas.reference())
        canvas.points(ax, values[:, column], values[:, row], color=canvas.cycle(0))
        both = np.ix_([column, row], [column, row])
        for share in SHARES:
            ax.plot(*ellipse(covariance[both], share), color=canvas.cycle(1), linewidth=1.0)
        canvas.label(ax, names[column], names[row])
    if own:
        outer_labels_only(axes, len(names))
    if title is not None:
        canvas.label(axes[0], title=title)
    return axes


def lower_triangle(p: int) -> list[tuple[int, int]]:
    """Rows and columns of the entries below the diagonal of a p × p matrix, row by row."""
    return [(row, column) for row in range(1, p) for column in range(row)]


def triangle(axes, p: int) -> np.ndarray:
    """Axes for the entries below the diagonal of a p × p matrix, the user's or new ones."""
    pairs = lower_triangle(p)
    if axes is not None:
        return canvas.several(axes, len(pairs))
    side = p - 1
    panel = (3.4, 3.0) if side < 3 else (2.1, 1.9)
    size = (side * panel[0], side * panel[1]) if side > 1 else None
    grid = canvas.several(
        None, side * side, columns=side, size=size, sharex="col", sharey="row"
    ).reshape(side, side)
    for row, column in zip(*np.triu_indices(side, 1), strict=True):
        grid[row, column].set_visible(False)
    return np.array([grid[row - 1, column] for row, column in pairs], dtype=object)


def outer_labels_only(axes, p: int) -> None:
    """Keep labels at the left and at the bottom of a triangle of panels."""
    for ax, (row, column) in zip(axes, lower_triangle(p), strict=True):
        if column > 0:
            ax.set_ylabel("")
        if row < p - 1:
            ax.set_xlabel("")


def ellipse(covariance, share: float) -> np.ndarray:
    """The ellipse that contains a share of a bivariate normal distribution about zero.

    Returns
    -------
    ndarray, shape (2, points)
    """
    angle = np.linspace(0.0, 2 * np.pi, 181)
    value, vector = np.linalg.eigh(covariance)
    root = vector * np.sqrt(np.maximum(value, 0.0))
    return np.sqrt(-2 * np.log(1 - share)) * root @ np.array([np.cos(angle), np.sin(angle)])
