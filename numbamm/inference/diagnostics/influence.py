"""How each row of the data stands to a model: residuals, leverage and Cook's distance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from numbamm.models.linear import LinearMixedModel

#: A row of which the fit leaves no more than this share has a coefficient of its own.
NOTHING = 1e-10


def influence(model) -> pd.DataFrame:
    """How each row of the data stands to a fitted model.

    Parameters
    ----------
    model : MixedModel
        A fitted model.

    Returns
    -------
    pandas.DataFrame
        Over the rows of the data, NaN where one was dropped: ``fitted``; ``resid``; ``pearson``,
        the residual times the square root of its weight over the variance function;
        ``leverage``; ``studentized``, pearson / (σ √(1 - leverage)); ``cooks``, Cook's distance.
        For generalized models there is ``deviance``, too: the deviance residual. The last two
        are NaN where the leverage is 1, as with an indicator of one row.

    Raises
    ------
    NotFittedError

    Notes
    -----
    Conditional on the random effects and their covariance, as in lme4: Cook's distance is
    studentized² leverage / (1 - leverage) / rank(X). See `delete_levels` for what whole groups
    do to all estimates.

    Leverages of a generalized model are those of its working model, the linear mixed model
    that PIRLS solves last; σ² is the dispersion. They lie between 0 and 1 (lme4's do not), and
    Cook's distance is what one step of PIRLS without the row would tell.
    """
    frame = pd.DataFrame({"fitted": model.fittedvalues, "resid": model.resid})
    frame["pearson"] = model.residuals("pearson")
    if not isinstance(model, LinearMixedModel):
        frame["deviance"] = model.residuals("deviance")
    frame["leverage"] = h = model.leverage()
    left = (1 - h).where(1 - h > NOTHING)
    frame["studentized"] = frame["pearson"] / (model.sigma * np.sqrt(left))
    frame["cooks"] = frame["studentized"] ** 2 * h / left / (model.feterm.rank or np.nan)
    return frame


def cooks_distance(model) -> pd.Series:
    """Cook's distances of the rows, conditional on the random effects; see `influence`."""
    return influence(model)["cooks"]
