"""`check_overdispersion`: whether counts vary more than their family says."""

from __future__ import annotations

from numbamm.errors import OptionError
from numbamm.glm import family as families
from numbamm.report.result import Result

#: p-values below are called a sign of trouble.
SIGNIFICANT = 0.05


def check_overdispersion(model) -> Result:
    """Pearson's statistic at the conditional means, against χ².

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        Fitted; of counts, or of proportions of several trials.

    Returns
    -------
    Result
        One line: ``chisq``, Pearson's statistic; ``df``, the residual degrees of freedom (prior
        weights of counts are numbers of rows); ``ratio``, the one over the other, about 1 where
        the family's variance holds; ``pvalue``, of a χ² at least as large.

    Raises
    ------
    NotFittedError
    OptionError
        The model estimates its dispersion, or has single trials, whose variance cannot be off.

    Notes
    -----
    Conditional on the random effects. With small expected counts the statistic's distribution is
    far from χ², and the ratio well below 1 even where the family is right: see
    `check_zeroinflation`, or compare with a random effect for each row.

    References
    ----------
    McCullagh & Nelder, 1989, Generalized Linear Models, 2nd ed., 4.5.
    """
    import pandas as pd
    from scipy.stats import chi2

    _ = model.estimates
    if model._family_code in families.DISPERSED:
        raise OptionError(
            f"this {model.family} model estimates its dispersion: there is none to check"
        )
    if model._family_code == families.BINOMIAL and not model._is_counts:
        raise OptionError(
            "responses of single trials cannot be overdispersed: their means give their variance"
        )
    ratio, df = model.pearson_ratio, model._pearson_df
    p = float(chi2.sf(ratio * df, df))
    line = {"chisq": ratio * df, "df": df, "ratio": ratio, "pvalue": p}
    note = "No sign of overdispersion."
    if p < SIGNIFICANT:
        family = "A negative binomial family or a" if model.family == "poisson" else "A"
        note = (
            f"Overdispersed: standard errors are too small. {family} random effect for each row "
            "may serve."
        )
    return Result(
        f"Overdispersion of the {model.family} family",
        pd.DataFrame(line, index=["Pearson"]),
        [note],
    )
