"""`ranova`: likelihood-ratio tests of the random effects, one for each part of a term."""

from __future__ import annotations

from numbamm.elsewhere import names_arguments
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.comparison.lrtest import dropped_table
from numbamm.inference.comparison.reduced import fit_of_random, without_random
from numbamm.inference.comparison.views import fit_of
from numbamm.models.residual_side.refusals import refuse_no_effects
from numbamm.report.result import Result


@names_arguments
def ranova(model) -> Result:
    """Drop each part of the random effects in turn, and compare the fits by likelihood ratios.

    Parameters
    ----------
    model : MixedModel
        A fitted model, by REML or maximum likelihood. It is not changed.

    Returns
    -------
    Result
        A row ``<none>`` for the model, and one for each part: ``npar, aic, llf, objective,
        chisq, df, pvalue, pvalue_chisq``, as for `lrtest`. In a term with several effects left of
        the bar, a part is one of them (``x in (1 + x | g)``); otherwise it is the whole term.

    Raises
    ------
    NotFittedError
        Before the fit.

    See Also
    --------
    drop1 : The same for fixed effects.
    lrtest : Tests of models that you name.

    Notes
    -----
    A part with one variance is tested by the mixture that `lrtest` describes. The p-value of
    lmerTest's `ranova` is `pvalue_chisq` here.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"), reml=True)
    >>> mm.ranova(m).to_frame()["chisq"].round(3).tolist()[1:]
    [42.837]
    """
    refuse_no_effects(mixed_model(model), "ranova")
    full = fit_of(mixed_model(model))
    fits = {name: fit_of_random(model, terms, name) for name, terms in without_random(model)}
    kind = "restricted likelihoods (REML)" if full.reml else "likelihoods"
    return dropped_table(f"Likelihood-ratio tests of dropped random effects by {kind}", full, fits)
