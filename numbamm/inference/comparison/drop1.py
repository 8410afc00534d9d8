"""`drop1`: likelihood-ratio tests of the fixed effects, one term at a time."""

from __future__ import annotations

from numbamm.errors import OptionError
from numbamm.inference.comparison.fits import of_numbamm
from numbamm.inference.comparison.lrtest import dropped_table
from numbamm.inference.comparison.reduced import droppable, without_fixed
from numbamm.inference.comparison.views import fit_of
from numbamm.report.result import Result


def drop1(model) -> Result:
    """Leave the terms of the fixed effects out, one at a time, and compare.

    Parameters
    ----------
    model : MixedModel
        A model fitted by maximum likelihood. It is left as it is.

    Returns
    -------
    Result
        A line for the model, ``<none>``, and one for each term that is part of no other term:
        ``npar, aic, llf, objective, chisq, df, pvalue``.

    Raises
    ------
    NotFittedError
    OptionError
        The model was fitted by REML, or has no such term.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> mm.drop1(m).to_frame()["chisq"].round(3).tolist()[1:]
    [23.537]
    """
    full = fit_of(of_numbamm(model))
    if full.reml:
        raise OptionError(
            "REML fits with different fixed effects cannot be compared: refit(reml=False), or "
            "test the terms by anova()"
        )
    terms = droppable(model)
    if not terms:
        raise OptionError(f"the fixed effects of {model.formula} have no terms to leave out")
    fits = {term.name: without_fixed(model, term) for term in terms}
    return dropped_table("Fixed effects left out, compared by likelihoods", full, fits)
