"""`add1`: likelihood-ratio tests of further fixed effects, one for each term."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, OptionError
from numbamm.inference.comparison.criteria import akaike_weights
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.comparison.lrtest import lrtest
from numbamm.inference.update import update
from numbamm.options import name_list
from numbamm.report.result import Result


@names_arguments
def add1(model, scope: str | Iterable[str]) -> Result:
    """Add each of some terms to the fixed effects, and compare the fits by likelihood ratios.

    Parameters
    ----------
    model : MixedModel
        A model fitted by maximum likelihood. It is not changed.
    scope : str or list of str
        The terms, ``["x", "recipe:temp"]``.

    Returns
    -------
    Result
        A row ``<none>`` for the model, and one for each term: ``npar, aic, weight, llf, objective,
        chisq, df, pvalue``; Akaike weights add up to one over all rows.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The model was fitted by REML, or no term is given.
    DataError
        A term's column has missing values in rows that the model uses, or the model was read from
        a file, without its data.
    FormulaError
        A term cannot be read.

    See Also
    --------
    drop1 : Terms left out.
    step : Backward elimination.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("angle ~ temp + (1 | recipe:replicate)", mm.datasets.load("cake"))
    >>> m.add1(["recipe", "I(temp**2)"]).frame["df"].to_list()[1:]
    [2.0, 1.0]
    """
    if mixed_model(model).estimates.reml:
        raise OptionError(
            "REML fits with different fixed effects cannot be compared: refit(reml=False)"
        )
    lines = {}
    for term in name_list("scope", scope):
        larger = update(model, f"~ . + {term}", fit=True)
        if larger.nobs != model.nobs:
            raise DataError(
                f"'{term}' has missing values: with it the fit uses {larger.nobs} rows, not "
                f"{model.nobs}; fit all models to rows without missing values"
            )
        table = lrtest(model, larger).frame
        lines.setdefault("<none>", table.iloc[0])
        lines[term] = table.iloc[1]
    frame = pd.DataFrame(lines).T.astype(float)
    frame.insert(list(frame).index("aic") + 1, "weight", akaike_weights(frame["aic"]))
    columns = [name for name in frame if name not in ("bic", "mc_error")]
    return Result(
        "Likelihood-ratio tests of added fixed effects",
        frame[columns],
        [str(model.formula)],
        hidden=tuple({"pvalue_chisq"} & set(columns)),
    )
