"""`slopes`: derivatives of the mean response by a covariate, averaged over the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.inference.marginal.averages import Averages
from numbamm.inference.marginal.counterfactual import Counterfactual, covariate
from numbamm.inference.marginal.stencil import stencil
from numbamm.report.digits import coverage


@names_arguments
def slopes(
    model,
    var: str,
    *,
    by: str | Iterable[str] = (),
    at: Mapping[str, Any] | None = None,
    type: str = "response",
    re: str = "zero",
    ddf: str | None = None,
    robust: str | None = None,
    cluster: Any = None,
    alpha: float = 0.05,
) -> Averages:
    """Average slopes of the mean response by a covariate.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    var : str
        The covariate.
    by : str or list of str
        Variables of the fixed effects: slopes are averaged over the rows with each combination of
        their values. If not given, over all rows.
    at : dict, optional
        Values that variables take in all rows, ``{"urban": ["N", "Y"]}``: there is an average for
        each combination.
    type : str
        Slopes of the mean response, ``"response"``, or of the linear predictor, ``"link"``. Of a
        model of several parts also of what `predict` calls ``"conditional"``, ``"zprob"`` and
        ``"dispersion"``. Variables of all parts can be named then. Of ordinal models as for
        `emmeans`; ``"response"`` is ``"prob"``, for each category.
    re : {"zero", "integrated"}
        Of generalized models: whether the mean response is that at random effects of zero, or the
        mean over their distribution, which is the population's.
    ddf, robust, cluster : optional
        As for `contrast`.
    alpha : float
        One minus the coverage of the intervals.

    Returns
    -------
    Averages
        A row per average: ``estimate, se, df, statistic, pvalue, lower, upper``; its methods
        `pairs` and `contrast` compare the rows.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        A variable or an option is unknown, or `var` is a factor.
    DataError
        `at` has an unknown level, or the data have streamed.

    See Also
    --------
    comparisons : Changes of the mean response by steps of a variable.
    emtrends : Slopes of the linear predictor over a balanced grid.

    Notes
    -----
    The average is over the rows of the data as they are, each with its own other values (average
    marginal effect). Derivatives by the covariate are differences of fourth order; of integrated
    means only those of the columns of X and Z are, the rest is exact. Standard errors
    are those of the delta method; with ``re="integrated"`` they count the errors of the variances
    of the random effects, too.

    Examples
    --------
    >>> import numbamm as mm
    >>> data = mm.datasets.load("Contraception")
    >>> g = mm.glmm("use ~ age + urban + livch + (1 | district)", data, "bernoulli")
    >>> g.slopes("age", by="urban").frame["estimate"].round(4).to_list()
    [-0.0057, -0.0062]
    """
    context = Counterfactual(
        model, by=by, at=at, type=type, re=re, ddf=ddf, robust=robust, cluster=cluster, alpha=alpha
    )
    var = covariate(context, var, "var")
    if var in context.grid.factors:
        raise OptionError(f"var: '{var}' is a factor; comparisons() compares its levels")
    column = context.data[var].to_numpy(dtype=float)

    def compute(setting):
        place = np.full(len(column), setting[var], dtype=float) if var in setting else column
        value, gradient = context.slopes(setting, var, place, *stencil(column, place))
        return [
            (line, lambda rows, j=j: (value[j, rows].mean(), gradient[j, rows].mean(axis=0)))
            for j, line in enumerate(context.outcomes)
        ]

    return context.table(
        compute, f"Average slopes by {var}", [f"{coverage(context.alpha)} intervals."]
    )
