"""`for_marginaleffects`: a fitted model, for the functions of the package marginaleffects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.errors import DataError, OptionError
from numbamm.inference.prediction.predict import TYPES

if TYPE_CHECKING:
    from numbamm.inference.fixed.marginaleffects_model import MarginalEffects


def for_marginaleffects(model, *, type: str = "response", df: float = np.inf) -> MarginalEffects:
    """A fitted model as the functions of the package marginaleffects take it.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    type : {"response", "link"}
        What is predicted, for the population: means of the response for random effects of zero,
        or linear predictors.
    df : float
        Degrees of freedom of all tests and intervals: infinite for Wald's z.

    Returns
    -------
    MarginalEffects
        The first argument of ``predictions``, ``comparisons``, ``slopes``, ``hypotheses`` and
        their like. There ``vcov="kenward-roger"`` has the covariance matrix of that name.

    Raises
    ------
    NotFittedError
    OptionError
        `type` or `df` is not as above; marginaleffects is not installed, or does not
        go with this polars.
    DataError
        The offset was given as an array, which new data cannot have.

    Notes
    -----
    marginaleffects sees the rows and columns that the fixed effects use, factors as its Enum,
    the response and the grouping factors. Contrasts by Satterthwaite's degrees of freedom are
    those of `contrast` and `emmeans`: marginaleffects has one `df` for all.

    The standard errors of its slopes come from differences of differences, which leave three
    digits; with ``eps_vcov=1e-3`` there are more.
    """
    try:
        from numbamm.inference.fixed.marginaleffects_model import MarginalEffects
    except ImportError as error:
        raise OptionError("marginaleffects is needed: pip install marginaleffects") from error

    _ = model.estimates
    if type not in TYPES:
        raise OptionError(f"type must be one of {TYPES}, not {type!r}")
    if not df > 0:
        raise OptionError(f"df must be positive, not {df!r}")
    if model.frame.has_array_offset:
        raise DataError(
            "the model's offset was given as an array, which new data cannot have: "
            "fit with offset=<column name>, or with offset(...) in the formula"
        )
    return MarginalEffects(model, type, df)
