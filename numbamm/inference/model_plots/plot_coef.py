"""`model.plot.coef`: coefficients by level of a grouping factor, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.inference.model_plots.plot_ranef import checked_group
from numbamm.options import flag, valid_alpha
from numbamm.report.content import shown_name
from numbamm.report.plots import axes as canvas
from numbamm.report.plots.caterpillar import Caterpillar, draw_caterpillars

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@names_arguments
def coef(
    model,
    group: str | None = None,
    *,
    sort: bool = True,
    alpha: float = 0.05,
    ax: Axes | None = None,
    axes=None,
) -> np.ndarray:
    """Plot the coefficients of each level, fixed plus random effects, with intervals.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    group : str, optional
        A grouping factor; all of them, if not given.
    sort : bool
        Whether levels are sorted by their first coefficient, or stand in their own order.
    alpha : float
        One minus the coverage of the intervals.
    ax, axes : matplotlib Axes, or a sequence of them, optional
        Where to draw one panel, or several; a new figure, if neither is given.

    Returns
    -------
    ndarray of matplotlib Axes
        A panel for each coefficient that varies between levels; the dotted line is at the fixed
        effect.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option is unknown, or matplotlib is not installed.

    See Also
    --------
    LinearMixedModel.coef : The numbers.
    Plots.ranef : The random effects alone.

    Notes
    -----
    The variance is that of β̂ + b̂ - (β + b), given θ and σ: what is not known of the fixed effects
    is part of it. Coefficients of generalized models are on the scale of the linear predictor.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> [ax.get_title() for ax in m.plot.coef()]
    ['(Intercept)', 'Days']
    """
    groups = dict.fromkeys(term.group for term in model.reterms)
    names = [*groups] if group is None else [checked_group(group, groups)]
    values = model.coef()
    half = ndtri(1 - valid_alpha(alpha) / 2)
    sort, axes = flag("sort", sort), canvas.either(ax, axes)
    errors, drawn = _standard_errors(model, names), []
    for name in names:
        terms, centres = {}, {}
        for effect, se in errors[name].items():
            label, estimate = shown_name(effect), values[name][effect].to_numpy()
            terms[label] = estimate, estimate - half * se, estimate + half * se
            centres[label] = float(model.params.get(effect, 0.0))
        first, levels = next(iter(terms.values()))[0], values[name].index.to_numpy()
        order = np.argsort(first, kind="stable") if sort else np.arange(len(levels))[::-1]
        drawn.append(Caterpillar(name, levels, terms, order, centres))
    return draw_caterpillars(drawn, axes, xlabel="Coefficient")


def _standard_errors(model, groups: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """Standard errors of β̂ + b̂ for the random effects of some factors, an array of the levels.

    A row for each effect and level: its variance is asked for all of them together, since each
    call has a large system to solve.
    """
    kept = np.array(model.feterm.kept_names)
    effects = [
        (t, k, str(name))
        for t, term in enumerate(model.reterms)
        for k, name in enumerate(term.cnames)
        if term.group in groups
    ]
    sizes = [model.reterms[t].nlevels for t, _, _ in effects]
    rows = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    X = np.zeros((sum(sizes), len(kept)))
    terms = [(np.full(len(X), -1, dtype=np.int32), np.zeros((t.p, len(X)))) for t in model.reterms]
    for (t, k, name), mine in zip(effects, rows, strict=True):
        X[mine] = kept == name
        terms[t][0][mine], terms[t][1][k, mine] = np.arange(len(mine)), 1.0
    with blas_threads():
        errors = np.sqrt(model.row_variances(X, terms))
    found: dict = {group: {} for group in groups}
    for (t, _, name), mine in zip(effects, rows, strict=True):
        found[model.reterms[t].group][name] = errors[mine]
    return found
