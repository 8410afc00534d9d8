"""`anova`: a test of each term of the fixed effects."""

from __future__ import annotations

from numbamm.errors import OptionError
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.contrast import f_test
from numbamm.inference.fixed.hypotheses import hypotheses
from numbamm.options import shown
from numbamm.report.result import Result

_TYPES = {"1": 1, "2": 2, "3": 3, "I": 1, "II": 2, "III": 3}
_ROMAN = {1: "I", 2: "II", 3: "III"}


def anova(model, *others, type: int | str = 3, ddf: str | None = None) -> Result:
    """Test each term of the fixed effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    *others
        Refused: `lrtest` compares models.
    type : {1, 2, 3}
        Hypotheses: each term after those before it (1), after all that do not contain it (2),
        or about means with equal weights over the cells of the other factors (3). The last
        does not depend on how factors are coded and their levels ordered; a covariate counts
        as 0 where its interactions are concerned, so centre it.
    ddf : {"satterthwaite", "kenward-roger", "wald"}, optional
        Denominator degrees of freedom: Satterthwaite's for linear models and Wald's χ² for
        generalized ones, if not given.

    Returns
    -------
    Result
        A line a term: ``sumsq, meansq, numdf, dendf, F, pvalue``, or ``chisq, df, pvalue`` of
        Wald's tests. Terms of which nothing can be estimated have NaN, and a note says so.

    Raises
    ------
    NotFittedError, OptionError

    Notes
    -----
    The hypotheses of linear models are those of SAS and lmerTest, which do not depend on the
    estimated variances (Kuznetsova, Brockhoff & Christensen, 2017, J. Stat. Softw. 82(13)).
    All are estimable functions of the cells that exist: with empty cells and nested factors
    those of type 3 are SAS's, about indicators of all levels, which do not depend on the coding
    (Goodnight, 1978, SAS Technical Report R-101). A term that no other contains has one test,
    be it of type 2 or 3. Without an intercept a factor that stands first is tested by type 1
    for means of zero; by types 2 and 3 for equal ones, if there is another factor.

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
        raise OptionError("anova tests the terms of one model; lrtest(m0, m1) compares several")
    if str(type) not in _TYPES:
        raise OptionError(f"type must be 1, 2 or 3, not {shown(type)}")
    type = _TYPES[str(type)]
    method = degrees.method(model, ddf)
    rows = hypotheses(model, type)
    if not rows:
        raise OptionError(f"the fixed effects of {model.formula} have no terms to test")
    lines = [f_test(method, L, 0.0) for L in rows.values()]
    frame = pd.concat(lines).set_axis(list(rows))
    if "F" in frame:
        meansq = frame["F"] * model.sigma**2
        frame.insert(0, "sumsq", meansq * frame["numdf"])
        frame.insert(1, "meansq", meansq)
    notes = list(method.notes)
    if len(model.feterm.dropped):
        notes.append(
            "Rank-deficient fixed effects: the hypotheses are about what can be estimated."
        )
    notes += _without_a_test(frame, rows)
    return Result(f"Type {_ROMAN[type]} tests of the fixed effects, {method.title}", frame, notes)


def _without_a_test(frame, rows) -> list[str]:
    """What is said of the lines without numbers."""
    notes = []
    nothing = [name for name, L in rows.items() if not len(L)]
    if nothing:
        notes.append(
            f"Not estimable: {', '.join(nothing)}. The other terms explain all that they could."
        )
    unknown = frame.index[frame["pvalue"].isna()].difference(nothing, sort=False)
    if len(unknown):
        notes.append(
            f"No test of {', '.join(unknown)}: the covariance of the coefficients has no numbers, "
            "as where cells are separated; drop1() and lrtest compare fits instead."
        )
    return notes
