"""`model.plot.fit`: observed and fitted values by group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, did_you_mean
from numbamm.formula.levels import level_codes
from numbamm.inference.diagnostics.smoothing import has_few_values
from numbamm.inference.fixed.backtransform import BackTransform, response_name
from numbamm.inference.fixed.refgrid import factors_of
from numbamm.inference.model_plots.plot_ranef import checked_group
from numbamm.inference.resampling.replicates import valid_count
from numbamm.models.residual_side.refusals import refuse_no_effects
from numbamm.options import shown
from numbamm.report.plots import axes as canvas
from numbamm.report.plots.small_multiples import Group, small_multiples

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@names_arguments
def fit(
    model,
    group: str | None = None,
    x: str | None = None,
    *,
    n: int = 20,
    levels: Iterable | None = None,
    ax: Axes | None = None,
    axes=None,
) -> np.ndarray:
    """Plot observations and fitted values against a variable, in a panel for each group.

    The line is the mean with the random effects of the group, the dashed one that for the
    population; other grouping factors have no part in them.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    group : str, optional
        The grouping factor; the one with fewest levels, if not given.
    x : str, optional
        A variable of the fixed effects. If not given, one that varies within groups: that of a
        random slope, or else the first covariate of the formula, or else its first factor; and if
        there is none, the number of the row in the group.
    n : int
        Largest number of panels. Of more groups those are shown whose first random effects are
        evenly spaced in rank, from the smallest to the largest.
    levels : iterable, optional
        The groups to show, instead.
    ax, axes : matplotlib Axes, or a sequence of them, optional
        Where to draw one panel, or several; a new figure, if neither is given.

    Returns
    -------
    ndarray of matplotlib Axes
        The groups in the order of their first random effects, or of `levels`.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        A name is unknown, or matplotlib is not installed.

    See Also
    --------
    LinearMixedModel.fittedvalues, LinearMixedModel.predict

    Notes
    -----
    Means, and observations with few values, such as 0 and 1, are averaged over the group's rows
    with the same x. A transformed response, as ``log(y)``, is shown before transformation.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> [ax.get_title() for ax in m.plot.fit(n=3)]
    ['309', '308', '337']
    """
    refuse_no_effects(model, "plot.fit")
    modes = model.ranef()
    if group is None:
        group = min(modes, key=lambda name: len(modes[name]))
    checked_group(group, modes)
    refs = next(term.refs for term in model.reterms if term.group == group)
    chosen = _chosen(modes[group], group, valid_count("n", n), levels)
    factors = factors_of(model.frame)
    x = _variable(model, refs, factors, list(modes[group])) if x is None else _checked(model, x)
    place, labels = _positions(model, refs, x, x in factors)
    back = BackTransform(model)
    if back.of_response:
        population = model.predict(random=False, type="link").to_numpy()[model.frame.rows]
        by_group = back.mean(population + _contribution(model, group))
        population = back.mean(population)
    else:
        population = model.predict(random=False).to_numpy()[model.frame.rows]
        by_group = model.predict(re_form=[group]).to_numpy()[model.frame.rows]
    rows = pd.DataFrame(
        {
            "x": place,
            "y": back.observed(model.frame.y),
            "by_group": by_group,
            "population": population,
        }
    )
    names, average = modes[group].index, has_few_values(model)
    panels = [_panel(str(names[k]), rows[refs == k], average) for k in chosen]
    return small_multiples(
        panels,
        xlabel="Row" if x is None else model.frame.with_unit(x),
        ylabel=back.name if back.of_response else response_name(model.frame),
        group=group,
        levels=labels,
        axes=canvas.either(ax, axes),
    )


def _chosen(modes, group: str, n: int, levels) -> np.ndarray:
    """Positions of the groups to show, in their order."""
    if levels is None:
        order = np.argsort(modes.iloc[:, 0].to_numpy(), kind="stable")
        ranks = np.linspace(0, len(order) - 1, min(n, len(order))).round()
        return order[ranks.astype(int)]
    wanted = list(levels) if np.iterable(levels) and not isinstance(levels, str) else [levels]
    text = {str(name): k for k, name in enumerate(modes.index)}
    for level in wanted:
        if str(level) not in text:
            hint = did_you_mean(str(level), text)
            raise OptionError(f"levels: {shown(level)} is no level of {group}{hint}")
    if not wanted:
        raise OptionError("levels is empty: name a level or more")
    return np.array([text[str(level)] for level in wanted])


def _contribution(model, group: str) -> np.ndarray:
    """What the random effects of one factor add to the linear predictor, shape (nobs,)."""
    return sum(
        np.einsum("pn,np->n", term.z, b[term.refs])
        for term, b in zip(model.reterms, model.b, strict=True)
        if term.group == group
    )


def _checked(model, x) -> str:
    known = model.frame.columns
    if not isinstance(x, str) or x not in known:
        raise OptionError(
            f"x: {shown(x)} is no variable of the fixed effects{did_you_mean(str(x), known)}; "
            f"there are {', '.join(known) or 'none'}"
        )
    return x


def _variable(model, refs, factors: list[str], slopes: list[str]) -> str | None:
    """The variable that panels are most likely to show: it varies within groups."""
    columns, formula = model.frame.columns, model.formula

    def rank(name: str) -> tuple:
        return name in factors, name not in slopes, formula.find(name)

    for name in sorted(columns, key=rank):
        codes = pd.factorize(columns[name])[0]
        first = np.zeros(refs.max() + 1, dtype=codes.dtype)
        first[refs] = codes
        if (codes != first[refs]).any():
            return name
    return None


def _positions(model, refs, x: str | None, factor: bool) -> tuple[np.ndarray, list | None]:
    """Where each row stands along x, and the labels of a factor."""
    if x is None:
        return pd.Series(refs).groupby(refs).cumcount().to_numpy() + 1.0, None
    column = model.frame.columns[x]
    if not factor:
        return column.to_numpy(dtype=float), None
    codes, labels = level_codes(column)
    return np.asarray(codes, dtype=float), [str(label) for label in labels]


def _panel(label: str, rows: pd.DataFrame, average: bool) -> Group:
    """What is drawn of one group."""
    means = rows.groupby("x").mean()
    x = means.index.to_numpy()
    fitted = x, means["by_group"].to_numpy(), means["population"].to_numpy()
    if average:
        return Group(label, x, means["y"].to_numpy(), fitted)
    return Group(label, rows["x"].to_numpy(), rows["y"].to_numpy(), fitted)
