"""`model.plot.varcorr`: standard deviations and correlations of the random effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.inference.intervals import conf_int
from numbamm.inference.random.components import SIGMA, Components
from numbamm.models.residual_side.refusals import refuse_no_effects
from numbamm.report.content import shown_name
from numbamm.report.digits import coverage
from numbamm.report.plots import axes as canvas
from numbamm.report.plots.forest import forest

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@names_arguments
def varcorr(
    model,
    *,
    method: str | None = None,
    alpha: float = 0.05,
    n: int = 1000,
    seed: int | None = None,
    ax: Axes | None = None,
    axes=None,
) -> np.ndarray:
    """Plot the standard deviations and correlations of the random effects, with intervals.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    method, alpha, n, seed
        As for `conf_int`: Wald's intervals, if no method is given. They are missing where a
        variance is zero or a correlation 1; ``"profile"`` and ``"bootstrap"`` have them.
    ax, axes : matplotlib Axes, or a sequence of them, optional
        Where to draw one panel, or two; a new figure, if neither is given.

    Returns
    -------
    ndarray of matplotlib Axes
        Standard deviations, also of the residual; and correlations, if the model has some.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option is unknown, or matplotlib is not installed.

    See Also
    --------
    LinearMixedModel.varcorr : The estimates.
    LinearMixedModel.conf_int : The intervals.
    Plots.correlations : Matrices of correlations.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> deviations, correlations = m.plot.varcorr()
    >>> [tick.get_text() for tick in deviations.get_yticklabels()]
    ['Residual', 'Subject: Days', 'Subject: (Intercept)']
    """
    _ = model.estimates
    refuse_no_effects(model, "plot.varcorr")
    canvas.ready(ax, axes)
    limits = conf_int(model, alpha, which="random", method=method, n=n, seed=seed)
    labels, estimates = _labels(model), _estimates(model)
    panels = {
        kind: [name for name in labels if name.startswith("cor_") == (kind == "Correlation")]
        for kind in ("Standard deviation", "Correlation")
    }
    drawn = {kind: names for kind, names in panels.items() if names}
    count, longest = len(drawn), max(map(len, panels.values()))
    size = (3.6 * count + 1.4, min(1.0 + 0.32 * longest, 12.0))
    axes = canvas.several(canvas.either(ax, axes), count, columns=count, size=size)
    for one, (kind, names) in zip(axes, drawn.items(), strict=True):
        ends = limits.loc[names].to_numpy(dtype=float).T
        series = {"": (np.array([estimates[name] for name in names]), *ends)}
        words = f"{kind}, {coverage(alpha)} interval"
        forest([labels[name] for name in names], series, xlabel=words, ax=one)
        if kind == "Correlation":
            one.set_xlim(-1.05, 1.05)
    return axes


def _labels(model) -> dict[str, str]:
    """How each parameter is written at the axis: ``Subject: (Intercept), Days``."""
    labels = {}
    for term in Components.of(model).terms:
        for name, places in term.leads:
            words = ", ".join(shown_name(term.names[j]) for j in places)
            labels[name] = f"{term.group}: {words}"
    if not model.estimates.sigma_given:
        labels[SIGMA] = "Residual"
    return labels


def _estimates(model) -> dict[str, float]:
    """The estimates by the names of parameters."""
    components = Components.of(model)
    values = components.values(model.theta[None], np.array([model.sigma]))[0]
    return dict(zip(components.names, map(float, values), strict=True)) | {SIGMA: model.sigma}
