"""`model.plot.ranef`: random effects with intervals, their quantiles, or pairs of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, did_you_mean
from numbamm.models.residual_side.refusals import refuse_no_effects
from numbamm.options import flag, one_of, shown
from numbamm.report.content import shown_name
from numbamm.report.plots import axes as canvas
from numbamm.report.plots.caterpillar import Caterpillar, draw_caterpillars
from numbamm.report.plots.ellipses import ellipses
from numbamm.report.plots.quantiles import Sample, quantiles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

KINDS = ("intervals", "qq", "pairs")


@names_arguments
def ranef(
    model,
    group: str | None = None,
    *,
    kind: str = "intervals",
    sort: bool = True,
    alpha: float = 0.05,
    ax: Axes | None = None,
    axes=None,
) -> np.ndarray:
    """Plot the conditional modes of the random effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    group : str, optional
        A grouping factor; all of them, if not given. Pairs need one: by default the first that
        has two effects or more.
    kind : {"intervals", "qq", "pairs"}
        Effects with intervals by level; against normal quantiles; or pairs of effects, with
        ellipses that contain 50 % and 95 % of their estimated distribution.
    sort : bool
        Whether levels are sorted by their first effect, or stand in their own order.
    alpha : float
        One minus the coverage of the intervals.
    ax, axes : matplotlib Axes, or a sequence of them, optional
        Where to draw one panel, or several; a new figure, if neither is given.

    Returns
    -------
    ndarray of matplotlib Axes
        A panel for each effect or pair of effects.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option is unknown, there are no pairs, or matplotlib is not installed.

    See Also
    --------
    LinearMixedModel.ranef : The numbers.

    Notes
    -----
    Modes are shrunken towards zero, so that they vary less than the estimated distribution.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> [ax.get_title() for ax in m.plot.ranef()]
    ['(Intercept)', 'Days']
    """
    refuse_no_effects(model, "plot.ranef")
    one_of("kind", kind, KINDS)
    axes = canvas.either(ax, axes)
    modes = model.ranef()
    if kind == "pairs":
        return _pairs(model, modes, group, axes)
    groups = [*modes] if group is None else [checked_group(group, modes)]
    effects = model.ranef(condvar=True, alpha=alpha)
    frames = {name: effects[effects["group"] == name] for name in groups}
    if kind == "qq":
        samples = [sample for name in groups for sample in effect_samples(name, frames[name])]
        return quantiles(samples, axes)
    caterpillars = [
        _caterpillar(name, modes[name], frames[name], flag("sort", sort)) for name in groups
    ]
    return draw_caterpillars(caterpillars, axes)


def checked_group(group, groups) -> str:
    """The option `group`, which must be one of the grouping factors.

    Raises
    ------
    OptionError
    """
    if not isinstance(group, str) or group not in groups:
        raise OptionError(
            f"group: {shown(group)} is no grouping factor{did_you_mean(str(group), groups)}; "
            f"there are {', '.join(groups)}"
        )
    return group


def _caterpillar(group: str, modes: pd.DataFrame, effects: pd.DataFrame, sort: bool) -> Caterpillar:
    """The effects of one factor, from a row per effect and level."""
    p, q = modes.shape[1], len(modes)
    numbers = effects[["estimate", "lower", "upper"]].to_numpy().reshape(p, q, 3)
    terms = {shown_name(str(name)): tuple(numbers[k].T) for k, name in enumerate(modes)}
    order = np.argsort(numbers[0, :, 0], kind="stable") if sort else np.arange(q)[::-1]
    return Caterpillar(group, modes.index.to_numpy(), terms, order)


def effect_samples(group: str, effects: pd.DataFrame) -> list[Sample]:
    """The effects of one factor for QQ plots."""
    return [
        Sample(
            part["estimate"].to_numpy(),
            shown_name(str(term)),
            group,
            ((part["upper"] - part["lower"]) / 2).to_numpy(),
        )
        for term, part in effects.groupby("term", sort=False)
    ]


def _pairs(model, modes, group, axes) -> np.ndarray:
    """Pairs of the effects of one factor, with ellipses of their estimated covariance."""
    several = [name for name, frame in modes.items() if frame.shape[1] > 1]
    if group is None and several:
        group = several[0]
    if (group is not None and checked_group(group, modes) not in several) or group is None:
        raise OptionError(
            'kind="pairs" needs a grouping factor with two random effects or more; '
            + (f"these have them: {', '.join(several)}" if several else "the model has none")
        )
    covariance = np.zeros((modes[group].shape[1],) * 2)
    start = 0
    for term in model.varcorr.terms:
        if term.group == group:
            end = start + len(term.names)
            covariance[start:end, start:end] = term.cov
            start = end
    names = [shown_name(str(name)) for name in modes[group]]
    return ellipses(names, modes[group].to_numpy(), covariance, title=group, axes=axes)
