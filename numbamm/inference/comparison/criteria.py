"""`information_criteria`: AIC, AICc and BIC of several models in one table."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.inference.comparison.fits import (
    difference_error,
    is_swallowed,
    labelled,
    model_names,
)
from numbamm.inference.comparison.nested import refuse_different_criteria, refuse_different_data
from numbamm.inference.comparison.views import fits_of
from numbamm.report.result import Result


@names_arguments
def information_criteria(*models, names: Iterable[str] | None = None) -> Result:
    """AIC, AICc and BIC of models of the same data, which need not be nested.

    Families and links may differ if the likelihoods are of the same kind: all of them are
    probabilities of counts, as for Poisson and negative binomial, or all are densities of the
    same response, as for Gaussian and gamma.

    Parameters
    ----------
    *models : fitted models
        As for `lrtest`.
    names : list of str, optional
        Names of the models in the table; m0, m1, ..., if not given.

    Returns
    -------
    Result
        A row per model, sorted by AIC: ``npar, llf, aic, aicc, bic``, ``delta`` (difference from
        the smallest AIC) and ``weight`` (Akaike weights: exp(-delta/2), scaled to a sum of one).
        With fits by random probes (``tail="iterative"``) also ``mc_error``, the Monte-Carlo error
        of ``delta``; there are no weights if a difference is within three of them.

    Raises
    ------
    DataError, OptionError, NotFittedError
        As for `lrtest`, except that the models need not be nested.

    See Also
    --------
    lrtest : Tests of nested models.

    References
    ----------
    Burnham & Anderson, 2002, Model Selection and Multimodel Inference, 2nd ed.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> small = mm.lmm("Reaction ~ Days + (1 | Subject)", sleep)
    >>> mm.information_criteria(small, m).frame["delta"].round(2).to_list()
    [0.0, 38.14]
    """
    import pandas as pd

    if not models:
        raise OptionError("information_criteria needs at least one model")
    fits = fits_of(models)
    refuse_different_data(fits)
    refuse_different_criteria(fits)
    called = model_names(fits, names)
    frame = pd.DataFrame([fit.criteria for fit in fits], index=called)
    k, spare = frame["npar"], fits[0].nobs - frame["npar"] - 1
    frame["aicc"] = (frame["aic"] + 2 * k * (k + 1) / spare).where(spare > 0)
    frame["delta"] = frame["aic"] - frame["aic"].min()
    frame["weight"] = akaike_weights(frame["aic"])
    columns = ["npar", "llf", "aic", "aicc", "bic", "delta", "weight"]
    notes = [f"{name}: {label}" for name, label in zip(called, labelled(fits), strict=True)]
    best = fits[int(frame["delta"].to_numpy().argmin())]
    errors = [difference_error(fit, best) for fit in fits]
    if any(errors):
        frame["mc_error"] = errors
        columns.insert(columns.index("weight"), "mc_error")
        notes += _undecided(frame, called)
    return Result(
        "Information criteria" + (" (REML)" if fits[0].reml else ""),
        frame[columns].sort_values("aic", kind="stable"),
        notes,
    )


def akaike_weights(aic):
    """exp(-Δ/2) of differences from the smallest AIC, scaled to a sum of one."""
    weight = np.exp(-(aic - aic.min()) / 2)
    return weight / weight.sum()


def _undecided(frame, called: list[str]) -> list[str]:
    """Remove weights that Monte-Carlo errors leave open; the notes that say so."""
    pairs = zip(called, frame["delta"], frame["mc_error"], strict=True)
    open_ones = [name for name, delta, error in pairs if is_swallowed(delta, error)]
    if not open_ones:
        return []
    frame["weight"] = np.nan
    best = frame["delta"].idxmin()
    return [
        f"{', '.join(open_ones)} and {best} differ by at most three Monte-Carlo errors: which is "
        "better is not known, and there are no weights. Fit with more probes, or with "
        "tail='sparse' or tail='dense'."
    ]
