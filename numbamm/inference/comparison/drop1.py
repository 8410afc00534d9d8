"""`drop1`: likelihood-ratio tests of the fixed effects, one for each term."""

from __future__ import annotations

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.comparison.lrtest import dropped_table
from numbamm.inference.comparison.reduced import (
    droppable,
    without_fixed,
    without_term_of_part,
)
from numbamm.inference.comparison.views import fit_of
from numbamm.inference.parts.part_view import of_part
from numbamm.report.result import Result


@names_arguments
def drop1(model, part: str | None = None) -> Result:
    """Drop each term of the fixed effects in turn, and compare the fits by likelihood ratios.

    Parameters
    ----------
    model : MixedModel
        A model fitted by maximum likelihood. It is not changed.
    part : {"mean", "zi", "hurdle", "dispersion"}, optional
        Of a model of several parts: the terms of that part's formula.

    Returns
    -------
    Result
        A row ``<none>`` for the model, and one for each term that is part of no other term:
        ``npar, aic, llf, objective, chisq, df, pvalue``.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The model was fitted by REML, or has no terms to drop.

    See Also
    --------
    ranova : The same for random effects.
    anova : Tests without further fits.
    lrtest : Tests of models that you name.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> mm.drop1(m).to_frame()["chisq"].round(3).tolist()[1:]
    [23.537]
    """
    full = fit_of(mixed_model(model))
    if full.reml:
        raise OptionError(
            "REML fits with different fixed effects cannot be compared: refit(reml=False), or "
            "test the terms with anova()"
        )
    view, _ = of_part(model, part)
    terms = droppable(view)
    if not terms:
        where = f"the fixed effects of {model.formula} have" if part is None else f"{part} has"
        raise OptionError(f"{where} no terms to drop")
    if view is model:
        fits = {term.name: without_fixed(model, term) for term in terms}
        return dropped_table("Likelihood-ratio tests of dropped fixed effects", full, fits)
    fits = {term.name: without_term_of_part(model, view, part, term) for term in terms}
    return dropped_table(
        f"Likelihood-ratio tests of dropped effects of the part {part}", full, fits
    )
