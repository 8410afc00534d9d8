"""Axes to draw on, the user's or new ones, and what all pictures do with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from numbamm.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

#: Number of labels that fit at an axis, and of points that do not hide one another.
MANY_LABELS, MANY_POINTS = 40, 200

#: From so many points or lines on, vector files hold an image of them.
RASTERIZED = 2000


def pyplot():
    """matplotlib's pyplot.

    Raises
    ------
    OptionError
        matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise OptionError('plots need matplotlib: pip install "numbamm[plot]"') from error
    return plt


def one(ax=None, size: tuple[float, float] | None = None) -> Axes:
    """The axes that were given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes, optional
    size : tuple of float, optional
        Width and height of a new figure in inches; by default as matplotlib is set.

    Raises
    ------
    OptionError
        `ax` is something else, or matplotlib is not installed.
    """
    plt = pyplot()
    if ax is None:
        return plt.subplots(figsize=size, layout="constrained")[1]
    return _axes("ax", ax)


def ready(ax=None, axes=None) -> None:
    """Raise before long computations what drawing would raise after them.

    Raises
    ------
    OptionError
        matplotlib is not installed, or `ax` or `axes`, of which one may be given, are no axes.
    """
    pyplot()
    if (given := either(ax, axes)) is not None:
        for one in np.ravel(np.asarray(given, dtype=object)):
            _axes("axes" if ax is None else "ax", one)


def either(ax, axes):
    """The axes of the options `ax` and `axes`, of which one may be given.

    Raises
    ------
    OptionError
        Both are.
    """
    if ax is not None and axes is not None:
        raise OptionError("give ax, for one panel, or axes, not both")
    return axes if ax is None else ax


def several(
    axes,
    n: int,
    *,
    columns: int | None = None,
    panel: tuple[float, float] = (2.8, 2.4),
    size: tuple[float, float] | None = None,
    **options: Any,
) -> np.ndarray:
    """The first n axes of those that were given, or those of a new figure.

    Parameters
    ----------
    axes : sequence or array of matplotlib Axes, optional
    n : int
    columns : int, optional
        Number of panels side by side in a new figure; about a square of panels, if not given.
    panel : tuple of float
        Width and height of a panel in inches. A figure is at least as large as matplotlib is set.
    size : tuple of float, optional
        Width and height of a new figure in inches instead.
    **options
        For ``pyplot.subplots``, such as ``sharex=True``.

    Returns
    -------
    ndarray of Axes, shape (n,)

    Raises
    ------
    OptionError
        There are fewer axes, or matplotlib is not installed.
    """
    plt = pyplot()
    if axes is not None:
        given = [_axes("axes", ax) for ax in np.ravel(np.asarray(axes, dtype=object))]
        if len(given) < n:
            raise OptionError(f"axes: this plot has {n} panels, but {len(given)} axes were given")
        return np.array(given[:n], dtype=object)
    columns = min(n, int(np.ceil(np.sqrt(n))) if columns is None else columns)
    rows = -(-n // columns)
    usual = plt.rcParams["figure.figsize"]
    least = usual[1] if n == 1 else min(usual[1], 3.2)
    if size is None:
        size = max(usual[0], columns * panel[0]), max(least, rows * panel[1])
    options |= {"figsize": size, "layout": "constrained", "squeeze": False}
    made = plt.subplots(rows, columns, **options)[1].ravel()
    for ax in made[n:]:
        ax.set_visible(False)
        if options.get("sharex"):  # the panel above is the last of its column
            above = made[list(made).index(ax) - columns]
            above.tick_params(labelbottom=True)
    return made[:n]


def columns_of(n: int) -> int:
    """Number of columns for n small panels."""
    return min(n, 3) if n <= 9 else min((5, 4), key=lambda columns: -n % columns)


def in_rows(axes, counts: Sequence[int], *, panel: tuple[float, float]) -> np.ndarray:
    """As `several`, for panels of groups: in a new figure each group begins a row.

    Parameters
    ----------
    counts : sequence of int
        Numbers of panels of the groups.
    """
    n, widest = sum(counts), max(counts)
    if axes is not None or widest == 1 or len(counts) == 1:
        columns = widest if 1 < widest <= 4 else min(n, 3)
        return several(axes, n, columns=columns, panel=panel)
    grid = several(None, len(counts) * widest, columns=widest, panel=panel).reshape(-1, widest)
    for row, count in zip(grid, counts, strict=True):
        for ax in row[count:]:
            ax.set_visible(False)
    return np.concatenate([row[:count] for row, count in zip(grid, counts, strict=True)])


def _axes(name: str, ax) -> Axes:
    if not all(hasattr(ax, method) for method in ("scatter", "set_xlabel", "figure")):
        raise OptionError(f"{name} must be matplotlib Axes, not {type(ax).__name__}")
    return ax


def label(ax, x: str | None = None, y: str | None = None, title: str | None = None) -> None:
    """Names at the axes and above them, letter by letter: ``$`` and ``_`` mean nothing."""
    for setter, text in ((ax.set_xlabel, x), (ax.set_ylabel, y), (ax.set_title, title)):
        if text is not None:
            made = setter(plain(text), parse_math=False)
            side = inches(ax)[int(setter == ax.set_ylabel)]
            wanted = 0.6 * made.get_fontsize() * max(len(text), 1) / 72
            # A little longer than the axes is no harm; a name is never made illegible.
            made.set_fontsize(made.get_fontsize() * float(np.clip(1.1 * side / wanted, 0.6, 1.0)))


def ticks(axis: Axis, positions, labels: Sequence[object]) -> None:
    """Labels at an axis, letter by letter; slanted where they would overlap."""
    texts = [plain(str(text)) for text in labels]
    axis.set_ticks(list(positions), labels=texts, parse_math=False)
    ax = axis.axes
    if axis is ax.xaxis and len(texts) > 1:
        wanted = pyplot().rcParams["font.size"] * (0.62 * sum(map(len, texts)) + len(texts))
        if wanted / 72 > inches(ax)[0]:
            for tick in axis.get_ticklabels():
                tick.set(rotation=40, ha="right", rotation_mode="anchor")


def inches(ax) -> tuple[float, float]:
    """Width and height of axes."""
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi, box.height / ax.figure.dpi


def legend(
    ax, handles: Sequence[Any], names: Sequence[object], title: str | None = None, **options: Any
) -> None:
    """A legend of names, letter by letter, where most room is or where `options` say.

    Parameters
    ----------
    ax : matplotlib Axes or Figure
    """
    # A name such as _x would be left out, so that texts are set afterwards.
    made = ax.legend(list(handles), ["-"] * len(handles), **options)
    for text, name in zip(made.get_texts(), names, strict=True):
        text.set(text=plain(str(name)), parse_math=False)
    if title is not None:
        made.set_title(plain(title))
        made.get_title().set_parse_math(False)


#: Where a name can stand beside its point: offsets in points, and which side of it is there.
_BESIDE = (
    *((4, 3, "left"), (-4, 3, "right"), (4, -9, "left"), (-4, -9, "right")),
    *((4, 12, "left"), (-4, 12, "right"), (4, -18, "left"), (-4, -18, "right")),
)


def annotate(ax, x, y, names: Sequence[object]) -> None:
    """Names beside points, at sides where they hide no other name and stay within the axes."""
    size = 0.83 * pyplot().rcParams["font.size"]
    unit = ax.figure.dpi / 72
    frame, taken = ax.get_window_extent(), []
    points = np.column_stack([x, y])
    for at, point, name in zip(ax.transData.transform(points), points, names, strict=True):
        text = plain(str(name))
        width = 0.62 * size * len(text)
        choices = []
        for right, up, side in _BESIDE:
            left = at[0] + unit * (right - (width if side == "right" else 0))
            box = left, at[1] + unit * up, left + unit * width, at[1] + unit * (up + size)
            inside = frame.x0 <= box[0] and box[2] <= frame.x1
            inside = inside and frame.y0 <= box[1] and box[3] <= frame.y1
            hidden = sum(_overlap(box, other) for other in taken)
            choices.append((hidden, not inside, box, right, up, side))
        *_, box, right, up, side = min(choices, key=lambda choice: choice[:2])
        taken.append(box)
        style = {"textcoords": "offset points", "ha": side, "fontsize": size}
        ax.annotate(text, tuple(point), (right, up), parse_math=False, **style)


def _overlap(a, b) -> bool:
    """Whether two boxes, left, bottom, right and top, have a part in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def logarithmic(axis: Axis) -> None:
    """Plain numbers at a logarithmic axis, of which there are some however short it is."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axis.get_view_interval()
    axis.set_major_locator(
        MaxNLocator(5)
        if high / low < 6
        else LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 60 else (1.0,))
    )
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def legend_above(figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    """A legend of names above all panels of a new figure."""
    legend(figure, handles, names, loc="outside upper center", ncols=len(handles))


def plain(text: str) -> str:
    """Text that TeX, where matplotlib is set to use it, shows letter by letter."""
    if not pyplot().rcParams["text.usetex"]:
        return text
    text = text.replace("\\", r"\textbackslash ")
    return re.sub(r"([$_%#&{}])", r"\\\1", text).replace("~", r"\~{}").replace("^", r"\^{}")


def reference(**options) -> dict[str, Any]:
    """How lines are drawn to which others are compared."""
    rc = pyplot().rcParams
    style = {"color": rc["text.color"], "linewidth": 0.8, "linestyle": ":", "zorder": 1}
    return style | options


def points(ax, x, y, **options):
    """A scatter of points, fainter and smaller the more there are; returns the collection."""
    n = max(len(np.atleast_1d(x)), 1)
    size = pyplot().rcParams["lines.markersize"] ** 2
    style = {
        "s": size * float(np.clip((100 / n) ** 0.35, 0.08, 0.6)),
        "alpha": float(np.clip((3000 / n) ** 0.5, 0.08, 0.8)),
        "linewidths": 0,
        "rasterized": n > RASTERIZED,
    }
    return ax.scatter(x, y, **(style | options))


def outlined(ax) -> list:
    """Path effects by which lines and points stand out from others of the same colour."""
    from matplotlib.patheffects import Normal, Stroke

    return [Stroke(linewidth=3.5, foreground=ax.get_facecolor()), Normal()]


def cycle(i: int) -> str:
    """The i-th colour of the style's cycle."""
    return f"C{i % max(len(pyplot().rcParams['axes.prop_cycle']), 1)}"
