"""`anova`: a test of each term of the fixed effects."""

from __future__ import annotations

from numbamm.errors import OptionError
from numbamm.inference import ddf as degrees
from numbamm.inference.contrast import f_test
from numbamm.inference.hypotheses import hypotheses
from numbamm.inference.result import Result

_TYPES = {1: 1, 2: 2, 3: 3, "1": 1, "2": 2, "3": 3, "I": 1, "II": 2, "III": 3}
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
        does not depend on how factors are coded; a covariate counts as 0 where its
        interactions are concerned, so centre it.
    ddf : {"satterthwaite", "kenward-roger", "wald"}, optional
        Denominator degrees of freedom: Satterthwaite's for linear models and Wald's χ² for
        generalized ones, if not given.

    Returns
    -------
    Result
        A line a term: ``sumsq, meansq, numdf, dendf, F, pvalue``, or ``chisq, df, pvalue`` of
        Wald's tests. Terms without columns of their own, for rank deficiency, have NaN.

    Raises
    ------
    NotFittedError, OptionError

    Notes
    -----
    The hypotheses of linear models are those of SAS and lmerTest, which do not depend on the
    estimated variances (Kuznetsova, Brockhoff & Christensen, 2017, J. Stat. Softw. 82(13)).
    With empty cells those of type 3 are about the cells there are.

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
    if type not in _TYPES:
        raise OptionError(f"type must be 1, 2 or 3, not {type!r}")
    type = _TYPES[type]
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
    return Result(f"Type {_ROMAN[type]} tests of the fixed effects, {method.title}", frame, notes)
