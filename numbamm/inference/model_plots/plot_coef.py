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
    drawn = []
    with blas_threads():
        for name in names:
            q, terms, centres = len(values[name]), {}, {}
            for effect, se in _standard_errors(model, name).items():
                label, estimate = shown_name(effect), values[name][effect].to_numpy()
                terms[label] = estimate, estimate - half * se, estimate + half * se
                centres[label] = float(model.params.get(effect, 0.0))
            first = next(iter(terms.values()))[0]
            order = np.argsort(first, kind="stable") if sort else np.arange(q)[::-1]
            levels = values[name].index.to_numpy()
            drawn.append(Caterpillar(name, levels, terms, order, centres))
    return draw_caterpillars(drawn, axes, xlabel="Coefficient")


def _standard_errors(model, group: str) -> dict[str, np.ndarray]:
    """Standard errors of β̂ + b̂ for each random effect of a factor, an array of its levels."""
    found = {}
    for t, term in enumerate(model.reterms):
        if term.group != group:
            continue
        q = term.nlevels
        for k, name in enumerate(term.cnames):
            terms = [
                (np.full(q, -1, dtype=np.int32), np.zeros((other.p, q))) for other in model.reterms
            ]
            terms[t] = np.arange(q, dtype=np.int32), np.eye(term.p)[:, [k]].repeat(q, axis=1)
            X = np.tile(np.array(model.feterm.kept_names) == name, (q, 1)).astype(float)
            found[str(name)] = np.sqrt(model.row_variances(X, terms))
    return found
