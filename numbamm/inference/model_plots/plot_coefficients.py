"""`model.plot.coefficients` and `plot_coefficients`: coefficients of one or of several models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, did_you_mean, shown
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.comparison.rowchoice import RowChoice
from numbamm.inference.fixed.contrast import coef_table
from numbamm.options import flag, name_list
from numbamm.report.content import shown_name
from numbamm.report.plots.forest import forest

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@names_arguments
def coefficients(
    model,
    *,
    intercept: bool = False,
    exponentiate: bool = False,
    ddf: str | None = None,
    alpha: float = 0.05,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the coefficients with intervals, one below the other: a forest plot.

    Parameters
    ----------
    model : MixedModel
        A fitted model. `numbamm.plot_coefficients` takes several.
    intercept : bool
        Whether to plot the intercept, too.
    exponentiate : bool
        Whether to plot odds ratios, rate ratios and the like, on a logarithmic axis; see
        `coef_table`.
    ddf : str, optional
        As for `coef_table`.
    alpha : float
        One minus the coverage of the intervals.
    labels : dict of str to str, optional
        What coefficients are called, by their names; as for `modeltable`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure, if not given.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    NotFittedError
        A model is not fitted.
    OptionError
        An option is unknown, there is no coefficient, or matplotlib is not installed.

    See Also
    --------
    plot_coefficients : Of several models.
    coef_table : The numbers.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("angle ~ recipe + temp + (1 | recipe:replicate)", mm.datasets.load("cake"))
    >>> [label.get_text() for label in m.plot.coefficients().get_yticklabels()]
    ['temp', 'recipe[T.C]', 'recipe[T.B]']
    """
    return plot_coefficients(
        model,
        intercept=intercept,
        exponentiate=exponentiate,
        ddf=ddf,
        alpha=alpha,
        labels=labels,
        ax=ax,
    )


@names_arguments
def plot_coefficients(
    *models,
    names: Sequence[str] | None = None,
    intercept: bool = False,
    exponentiate: bool = False,
    ddf: str | None = None,
    alpha: float = 0.05,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the coefficients of several models side by side, with intervals: a forest plot.

    Parameters
    ----------
    *models : MixedModel
        Fitted models.
    names : sequence of str, optional
        Their names in the legend; m0, m1 and so on, if not given.
    intercept, exponentiate, ddf, alpha, labels, ax
        As for ``model.plot.coefficients``.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    NotFittedError
        A model is not fitted.
    OptionError
        There are no models, or not as many names; an option is unknown; or matplotlib is not
        installed.

    See Also
    --------
    Plots.coefficients : Of one model.
    modeltable : The numbers.

    Examples
    --------
    >>> import numbamm as mm
    >>> cake = mm.datasets.load("cake")
    >>> m0 = mm.lmm("angle ~ recipe + (1 | recipe:replicate)", cake)
    >>> m1 = mm.lmm("angle ~ recipe + temp + (1 | recipe:replicate)", cake)
    >>> ax = mm.plot_coefficients(m0, m1, names=["without", "with temperature"])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['without', 'with temperature']
    """
    if not models:
        raise OptionError("plot_coefficients needs at least one model")
    if isinstance(models[0], Iterable):
        raise OptionError(
            "give the models one by one: plot_coefficients(m0, m1), or plot_coefficients(*models)"
        )
    names = [f"m{k}" for k in range(len(models))] if names is None else name_list("names", names)
    if len(names) != len(models) or len(set(names)) < len(names):
        raise OptionError(f"names must be {len(models)} different names, one for each model")
    flag("exponentiate", exponentiate)
    results = [
        coef_table(mixed_model(m), ddf=ddf, alpha=alpha, exponentiate=exponentiate) for m in models
    ]
    tables = [result.to_frame() for result in results]
    rows = _rows(tables, flag("intercept", intercept))
    if not rows:
        none = all(table.empty for table in tables)
        raise OptionError(
            "there are no fixed effects to plot"
            if none
            else "there is no coefficient but the intercept: intercept=True plots it"
        )
    words = _words(rows, labels)
    series = {
        name: tuple(table.reindex(rows)[["estimate", "lower", "upper"]].to_numpy().T)
        for name, table in zip(names, tables, strict=True)
    }
    return forest(
        words,
        series,
        xlabel=_label(models, results),
        reference=1.0 if exponentiate else 0.0,
        log=bool(exponentiate),
        ax=ax,
    )


def _rows(tables: Iterable, intercept: bool) -> list[str]:
    """Names of the coefficients of all models, in the order in which they first appear."""
    rows = dict.fromkeys(name for table in tables for name in table.index)
    return [name for name in rows if intercept or name != "Intercept"]


def _words(rows: list[str], labels) -> list[str]:
    """What the coefficients are called."""
    choice, known = RowChoice.of(labels), {*rows, *map(shown_name, rows)}
    for name in choice.labels:
        if name not in known:
            raise OptionError(
                f"labels: {shown(name)} is no coefficient that is plotted"
                f"{did_you_mean(name, known)}; there are {', '.join(rows)}"
            )
    return [choice.word(row) for row in rows]


def _label(models, results) -> str:
    """What the horizontal axis shows, where it is the same for all models."""
    measures = {result.measure for result in results}
    if len(measures) > 1:
        return "Ratio"
    measure, links = measures.pop(), {model.link_record.name for model in models}
    if measure != "Estimate":
        return measure
    scale = {"logit": "Coefficient (log odds)", "log": "Coefficient (log scale)"}
    return scale.get(links.pop(), "Coefficient") if len(links) == 1 else "Coefficient"
