"""`model.plot.power`: power by the number of levels of a factor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from numbamm.inference.resampling.power import power_curve
from numbamm.report.plots.axes import ready

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def power(
    model,
    design,
    along: str,
    levels: Iterable[int],
    coef: str | Iterable[str] | None = None,
    *,
    target: float = 0.8,
    ax: Axes | None = None,
    **options,
) -> Axes:
    """Simulate the power of tests for numbers of levels of a factor, and plot it.

    ``mm.power_curve(model, design, along, levels).plot()`` does the same, and keeps the numbers.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    design, along, levels, coef, **options
        As for `power_curve`, such as ``n`` and ``seed``.
    target : float
        The wanted power, where a line is drawn.
    ax : matplotlib Axes, optional
        Where to draw; a new figure, if not given.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    NotFittedError
        The model has no estimates, and needs some.
    OptionError
        An option is unknown, or matplotlib is not installed.

    See Also
    --------
    power_curve : The powers; they draw themselves, too.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.plot.power(sleep, "Subject", [4, 8], n=20, seed=1).get_xlabel()
    'Levels of Subject'
    """
    _ = model.estimates
    ready(ax)
    curve = power_curve(model, design, along, levels, coef, **options)
    return curve.plot(target=target, ax=ax)
