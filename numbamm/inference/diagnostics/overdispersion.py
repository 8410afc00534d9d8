"""`check_overdispersion`: whether counts vary more than their family implies."""

from __future__ import annotations

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.report.result import Result

#: p-values below this are reported as a sign of overdispersion or zero-inflation.
SIGNIFICANT = 0.05


@names_arguments
def check_overdispersion(model) -> Result:
    """Test for overdispersion: Pearson's statistic at the conditional means, against χ².

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        A fitted model of counts, or of proportions of several trials.

    Returns
    -------
    Result
        One row: ``chisq``, Pearson's statistic; ``df``, the residual degrees of freedom (prior
        weights of counts are numbers of equal rows); ``ratio``, chisq / df, about 1 if the
        variance is that of the family; ``pvalue``, the probability of a χ² at least as large.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The model estimates its dispersion, or its responses are single trials, whose variance
        follows from their mean.

    See Also
    --------
    check_zeroinflation : More zeros than the family implies.

    Notes
    -----
    The test is conditional on the random effects. If expected counts are small, the distribution
    of the statistic is far from χ², and the ratio is well below 1 even if the family is right.
    Then see `check_zeroinflation`, or compare with a model with a random effect for each row.

    References
    ----------
    McCullagh & Nelder, 1989, Generalized Linear Models, 2nd ed., 4.5.

    Examples
    --------
    >>> import numbamm as mm
    >>> cbpp = mm.datasets.load("cbpp")
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> g = mm.glmm(formula, cbpp, "binomial")
    >>> g.check_overdispersion().frame["ratio"].round(3).to_dict()
    {'Pearson': 1.237}
    """
    import pandas as pd
    from scipy.stats import chi2

    _ = model.estimates
    family = model.family_record
    if family.dispersed:
        raise OptionError(f"the {family} model estimates its dispersion: there is none to check")
    single = family.proportions and not model.may_be_overdispersed
    if single and (model.composition is None or not (model.prior_weights > 1).any()):
        raise OptionError(
            "single trials cannot be overdispersed: their mean determines their variance"
        )
    ratio, df = model.pearson_ratio, model.pearson_df
    p = float(chi2.sf(ratio * df, df))
    line = {"chisq": ratio * df, "df": df, "ratio": ratio, "pvalue": p}
    note = "No sign of overdispersion."
    if p < SIGNIFICANT:
        remedy = f"A {family.wider} family or a" if family.wider else "A"
        note = (
            f"Overdispersed: standard errors are too small. {remedy} random effect for each row "
            "may help."
        )
    return Result(
        f"Overdispersion of the {family} family",
        pd.DataFrame(line, index=["Pearson"]),
        [note],
    )
