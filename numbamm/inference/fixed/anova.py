"""`anova`: tests of the terms of the fixed effects."""

from __future__ import annotations

from typing import Any

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, shown
from numbamm.inference.fixed.contrast import f_test
from numbamm.inference.fixed.hypotheses import hypotheses
from numbamm.inference.parts.part_view import of_part
from numbamm.report.result import Result

_TYPES = {"1": 1, "2": 2, "3": 3, "I": 1, "II": 2, "III": 3}
_ROMAN = {1: "I", 2: "II", 3: "III"}


@names_arguments
def anova(
    model,
    *others,
    type: int | str = 3,
    ddf: str | None = None,
    robust: str | None = None,
    cluster: Any = None,
    part: str | None = None,
) -> Result:
    """Test each term of the fixed effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    *others
        Not allowed: `lrtest` compares models.
    type : {1, 2, 3}
        The hypotheses. Type 1 tests each term after those before it, type 2 after all that do not
        contain it. Type 3 compares means with equal weights over the cells of the other factors;
        it does not depend on the coding of factors or the order of their levels. In type 3 the
        main effect of a covariate's partner in an interaction is that where the covariate is 0:
        centre covariates.
    ddf : {"satterthwaite", "kenward-roger", "wald"}, optional
        Denominator degrees of freedom. If not given: as configured under ``ddf``, else
        Satterthwaite's for linear models and Wald's χ² for generalized ones.
    robust : {"CR0", "CR1", "CR2"}, optional
        A covariance of the coefficients that holds whatever the covariance of the rows of a
        cluster, in place of the model's, with tests of its own: see the Notes of `cov_params`.
    cluster : str or array, optional
        With `robust`: the clusters, as for `cov_params`.
    part : {"mean", "zi", "hurdle", "dispersion"}, optional
        Of a model of several parts: the terms of that part's formula.

    Returns
    -------
    Result
        A row per term: ``sumsq, meansq, numdf, dendf, F, pvalue``, or ``chisq, df, pvalue`` for
        Wald tests; no sums of squares with `robust`. Terms without any estimable effect have NaN,
        and a note.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        `type` or `ddf` is unknown, the model has no terms to test, or several models are given:
        `lrtest` compares these.

    See Also
    --------
    coef_table : Tests of single coefficients.
    emmeans : Marginal means, and their comparisons.
    lrtest : Likelihood-ratio tests of models.
    drop1 : Terms dropped one after the other, by likelihood ratios.

    Notes
    -----
    The hypotheses of linear models are those of SAS and lmerTest, which do not depend on the
    estimated variances (Kuznetsova, Brockhoff & Christensen, 2017, J. Stat. Softw. 82(13)).
    All are estimable functions of the cells that exist. With empty cells and nested factors, those
    of type 3 are the ones of SAS: they are defined by indicators of all levels and do not depend on
    the coding (Goodnight, 1978, SAS Technical Report R-101). For a term that no other contains,
    types 2 and 3 agree. Without an intercept, type 1 tests whether the means of the first factor
    are zero; types 2 and 3 test whether they are equal, if there is another factor.

    Examples
    --------
    >>> import numbamm as mm
    >>> cake = mm.datasets.load("cake")
    >>> m = mm.lmm("angle ~ recipe * temperature + (1 | recipe:replicate)", cake, reml=True)
    >>> mm.anova(m).to_frame().loc["recipe", ["F", "dendf"]].round(3).tolist()
    [0.249, 42.0]
    """
    import pandas as pd

    if others:
        raise OptionError("anova tests the terms of one model; lrtest(m0, m1) compares models")
    if str(type) not in _TYPES:
        raise OptionError(f"type must be 1, 2 or 3, not {shown(type)}")
    type = _TYPES[str(type)]
    model, method = of_part(model, part, ddf, robust, cluster)
    rows = hypotheses(model, type)
    if not rows:
        where = f"the part {part}" if part else f"the fixed effects of {model.formula}"
        raise OptionError(
            f"{where} has no terms to test" if part else f"{where} have no terms to test"
        )
    lines = [f_test(method, L, 0.0) for L in rows.values()]
    frame = pd.concat(lines).set_axis(list(rows))
    if "F" in frame and robust is None:
        meansq = frame["F"] * model.sigma**2
        frame.insert(0, "sumsq", meansq * frame["numdf"])
        frame.insert(1, "meansq", meansq)
    notes = list(method.notes)
    if len(model.feterm.dropped):
        notes.append(
            "Rank-deficient fixed effects: the hypotheses are about estimable functions alone."
        )
    notes += _notes_on_missing_tests(frame, rows)
    of = f"the part {part}" if part else "the fixed effects"
    return Result(f"Type {_ROMAN[type]} tests of {of}, {method.title}", frame, notes)


def _notes_on_missing_tests(frame, rows) -> list[str]:
    """Notes on the terms whose rows are NaN."""
    notes = []
    not_estimable = [name for name, L in rows.items() if not len(L)]
    if not_estimable:
        notes.append(
            f"Not estimable: {', '.join(not_estimable)}. Other terms have the same effects."
        )
    unknown = frame.index[frame["pvalue"].isna()].difference(not_estimable, sort=False)
    if len(unknown):
        notes.append(
            f"No test of {', '.join(unknown)}: the covariance of the coefficients is unknown, as "
            "with separated cells; use drop1() or lrtest instead."
        )
    return notes
