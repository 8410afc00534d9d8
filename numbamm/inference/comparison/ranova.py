"""`ranova`: likelihood-ratio tests of the random effects, one part at a time."""

from __future__ import annotations

from numbamm.inference.comparison.fits import of_numbamm
from numbamm.inference.comparison.lrtest import dropped_table
from numbamm.inference.comparison.reduced import fit_of_random, without_random
from numbamm.inference.comparison.views import fit_of
from numbamm.report.result import Result


def ranova(model) -> Result:
    """Leave the parts of the random effects out, one at a time, and compare.

    Parameters
    ----------
    model : MixedModel
        A fitted model, by REML or maximum likelihood. It is left as it is.

    Returns
    -------
    Result
        A line for the model, ``<none>``, and one for each part: ``npar, aic, llf, objective,
        chisq, df, pvalue, pvalue_chisq``, as for `lrtest`. From a term with several parts left
        of the bar each of them is left out (``x in (1 + x | g)``), from others the term.

    Raises
    ------
    NotFittedError

    Notes
    -----
    A part that brings one variance is tested by the mixture of `lrtest`; lmerTest's `ranova`
    gives what is `pvalue_chisq` here.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"), reml=True)
    >>> mm.ranova(m).to_frame()["chisq"].round(3).tolist()[1:]
    [42.837]
    """
    full = fit_of(of_numbamm(model))
    fits = {name: fit_of_random(model, terms, name) for name, terms in without_random(model)}
    kind = "restricted likelihoods (REML)" if full.reml else "likelihoods"
    return dropped_table(f"Random effects left out, compared by {kind}", full, fits)
