"""`for_marginaleffects`: a fitted model for the functions of the package marginaleffects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, OptionError
from numbamm.inference.prediction.predict import TYPES

if TYPE_CHECKING:
    from numbamm.inference.fixed.marginaleffects_model import MarginalEffects


@names_arguments
def for_marginaleffects(model, *, type: str = "response", df: float = np.inf) -> MarginalEffects:
    """Wrap a fitted model for the functions of the package marginaleffects.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    type : {"response", "link"}
        What to predict for the population: means of the response for random effects of zero, or
        linear predictors.
    df : float
        Degrees of freedom of all tests and intervals: infinite for Wald's z.

    Returns
    -------
    MarginalEffects
        The first argument of ``predictions``, ``comparisons``, ``slopes``, ``hypotheses`` and so
        on. In these, ``vcov="kenward-roger"`` uses the covariance matrix of that name.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        `type` or `df` has an unusable value, or marginaleffects is not installed or does not
        work with the installed polars.
    DataError
        The offset was given as an array, so that new data cannot have it.

    See Also
    --------
    emmeans : Marginal means, without that package.

    Notes
    -----
    The data that marginaleffects sees are the rows and columns that the fixed effects use, with
    factors as Enum, the response and the grouping factors. marginaleffects has one `df` for all
    tests; for Satterthwaite's degrees of freedom use `contrast` and `emmeans`.

    Its standard errors of slopes come from differences of differences and have three correct
    digits; with ``eps_vcov=1e-3`` they have more.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> from marginaleffects import avg_slopes  # doctest: +SKIP
    >>> avg_slopes(m.for_marginaleffects(df=17), vcov="satterthwaite")  # doctest: +SKIP
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
