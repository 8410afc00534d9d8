"""`information_criteria`: several models in one table, the best first."""

from __future__ import annotations

import numpy as np

from numbamm.errors import OptionError
from numbamm.inference.comparison.fits import labelled
from numbamm.inference.comparison.nested import refuse_different_criteria, refuse_different_data
from numbamm.inference.comparison.views import fit_of
from numbamm.report.result import Result


def information_criteria(*models) -> Result:
    """AIC, AICc and BIC of models of the same data, which need not be nested.

    Families and links may differ where all give probabilities of counts, as the Poisson and the
    negative binomial do, or all densities of the same response, as the Gaussian and the gamma.

    Parameters
    ----------
    *models : fitted models
        As for `lrtest`.

    Returns
    -------
    Result
        A line a model, by AIC: ``npar, llf, aic, aicc, bic``, ``delta`` (AIC over the least)
        and ``weight`` (Akaike's: exp(-delta/2), scaled to a sum of one).

    Raises
    ------
    DataError, OptionError, NotFittedError
        As for `lrtest`, but for nestedness.

    References
    ----------
    Burnham & Anderson, 2002, Model Selection and Multimodel Inference, 2nd ed.
    """
    import pandas as pd

    if not models:
        raise OptionError("information_criteria needs a model at least")
    fits = [fit_of(model) for model in models]
    refuse_different_data(fits)
    refuse_different_criteria(fits)
    names = [f"m{i}" for i in range(len(fits))]
    frame = pd.DataFrame([fit.criteria for fit in fits], index=names)
    k, spare = frame["npar"], fits[0].nobs - frame["npar"] - 1
    frame["aicc"] = (frame["aic"] + 2 * k * (k + 1) / spare).where(spare > 0)
    frame["delta"] = frame["aic"] - frame["aic"].min()
    weight = np.exp(-frame["delta"] / 2)
    frame["weight"] = weight / weight.sum()
    columns = ["npar", "llf", "aic", "aicc", "bic", "delta", "weight"]
    return Result(
        "Information criteria" + (" (REML)" if fits[0].reml else ""),
        frame[columns].sort_values("aic", kind="stable"),
        [f"{name}: {label}" for name, label in zip(names, labelled(fits), strict=True)],
    )
