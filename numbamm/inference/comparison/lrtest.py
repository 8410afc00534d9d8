"""`lrtest`: likelihood-ratio tests of nested models."""

from __future__ import annotations

import warnings

from numbamm.errors import NumbammWarning, OptionError
from numbamm.inference.comparison.fits import Fit, labelled
from numbamm.inference.comparison.nested import (
    refuse_different_criteria,
    refuse_different_data,
    refuse_not_nested,
    refuse_other_families,
    same_partition,
    shape_is_infinite,
)
from numbamm.inference.comparison.views import fit_of
from numbamm.options import flag
from numbamm.report.result import Result

#: Share of the objective that two searches for the same minimum may differ by.
ROUNDING = 1e-9


def lrtest(*models, check: bool = True) -> Result:
    """Compare nested models by their likelihoods, each with the next larger one.

    Parameters
    ----------
    *models : fitted models
        Two or more linear or generalized mixed models. Fits by statsmodels without random
        effects (OLS, WLS, GLM, Logit, Probit, Poisson, NegativeBinomial) may be among them.
    check : bool
        Whether to refuse models of which the smaller is not seen to be a special case of the
        larger. It is seen by the columns of X, and by the random effects' columns for each
        block of λ; without the check that is the caller's to know.

    Returns
    -------
    Result
        A line a model, by number of parameters: ``npar, aic, bic, llf, objective``, and for
        each but the first ``chisq, df, pvalue, pvalue_chisq``.

    Raises
    ------
    DataError
        The models have other rows, responses or weights.
    OptionError
        They are not nested, which of families a Poisson model in a negative binomial one is; or
        their criteria cannot be compared: REML fits with different fixed effects, REML with
        maximum likelihood, other approximations.
    NotFittedError

    Warns
    -----
    NumbammWarning
        The random effects of the smaller model are singular as well, and the larger has more.

    Notes
    -----
    Where the larger model has one more random effect per level, its variance is zero under the
    smaller model, on the boundary. `pvalue` is then of the mixture ½χ²(df - 1) + ½χ²(df), and
    `pvalue_chisq` of χ²(df), which is too large (Self & Liang, 1987, J. Am. Stat. Assoc. 82,
    605; Stram & Lee, 1994, Biometrics 50, 1171). So it is for a Poisson model in a negative
    binomial one, whose shape is then infinite (Lawless, 1987, Can. J. Stat. 15, 209). With several
    parameters on the boundary both are of χ²(df), which is conservative; so they are where the
    smaller model is singular itself, since the mixture is for one on the boundary and all others
    inside.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m0 = mm.lmm("Reaction ~ 1 + Days + (1 | Subject)", sleep)
    >>> m1 = mm.lmm("Reaction ~ 1 + Days + (1 + Days | Subject)", sleep)
    >>> mm.lrtest(m0, m1).to_frame()["chisq"].round(3).tolist()[1:]
    [42.139]
    """
    import pandas as pd

    check = flag("check", check)
    if len(models) < 2:
        raise OptionError("lrtest compares two models or more")
    fits = sorted((fit_of(model) for model in models), key=lambda fit: fit.npar)
    refuse_different_data(fits)
    refuse_different_criteria(fits)
    names = [f"m{i}" for i in range(len(fits))]
    labels = labelled(fits)
    lines, notes = [fits[0].criteria], [f"{names[0]}: {labels[0]}"]
    for i in range(1, len(fits)):
        small, large = fits[i - 1], fits[i]
        refuse_other_families(small, large)
        if check:
            refuse_not_nested(small, large)
        elif small.npar == large.npar:
            raise OptionError(f"{small.text} and {large.text} have equally many parameters")
        if small.singular and _boundary(small, large)[0]:
            warnings.warn(
                f"{small.text} is singular: its likelihood-ratio test against {large.text} has no "
                "known distribution, and errs towards the smaller model",
                NumbammWarning,
                stacklevel=2,
            )
        lines.append(large.criteria | _test(small, large))
        notes.append(f"{names[i]}: {labels[i]}")
    for i in range(1, len(fits)):
        notes += _remarks(fits[i - 1], fits[i], lines[i], f"{names[i]} against {names[i - 1]}")
    kind = "restricted likelihoods (REML)" if fits[0].reml else "likelihoods"
    return Result(
        f"Likelihood-ratio test of nested models by their {kind}",
        pd.DataFrame(lines, index=names),
        notes,
        hidden=("pvalue_chisq",),
    )


def dropped_table(title: str, full: Fit, fits: dict[str, Fit]) -> Result:
    """A model, ``<none>``, and what it is without each of its parts, compared with it."""
    import pandas as pd

    lines, notes = [full.criteria], [full.text]
    for name, fit in fits.items():
        lines.append(fit.criteria | _test(fit, full))
        notes += _remarks(fit, full, lines[-1], name)
    frame = pd.DataFrame(lines, index=["<none>", *fits]).drop(columns="bic")
    return Result(title, frame, notes, hidden=("pvalue_chisq",))


def _test(small: Fit, large: Fit) -> dict[str, float]:
    """χ², df and p-values of one comparison."""
    chisq, df = small.objective - large.objective, large.npar - small.npar
    if abs(chisq) < ROUNDING * max(1.0, abs(large.objective)):
        chisq = 0.0
    plain = _survival(chisq, df)
    p = plain
    if _boundary(small, large)[0] == 1 and not small.singular:
        p = 0.5 * (_survival(chisq, df - 1) + plain)
    return {"chisq": chisq, "df": float(df), "pvalue": p, "pvalue_chisq": plain}


def _survival(chisq: float, df: int) -> float:
    """P(χ²(df) ≥ chisq); χ²(0) is zero for certain."""
    from scipy.stats import chi2

    return float(chi2.sf(chisq, df)) if df else float(chisq <= 0)


def more_random_effects(small: Fit, large: Fit) -> int:
    """How many random effects a level of the larger model has more, over all factors.

    None count where the smaller model has effects of other groups, as those of ``(1 | g:f)`` in
    ``(0 + f | g)``: it is then no boundary of the larger one.
    """
    for term in small.terms:
        if not any(same_partition(term.refs, other.refs) for other in large.terms):
            return 0
    return sum(t.p for t in large.terms) - sum(t.p for t in small.terms)


def _boundary(small: Fit, large: Fit) -> tuple[int, str]:
    """How many parameters of the larger model the smaller one has on the boundary, and in words."""
    variances, shape = more_random_effects(small, large), shape_is_infinite(small, large)
    said = [] if not variances else [f"{variances} variances are zero"]
    said = ["a variance is zero"] if variances == 1 else said
    said += ["the shape is infinite"] if shape else []
    return variances + shape, " and ".join(said)


def _remarks(small: Fit, large: Fit, line: dict, subject: str) -> list[str]:
    """What a reader of one comparison should know."""
    said, df = [], int(line["df"])
    number, what = _boundary(small, large)
    if number and small.singular:
        said.append(
            f"{subject}: p, which is of χ²({df}), is too large, since the smaller model is "
            "singular itself."
        )
    elif number == 1:
        said.append(
            f"{subject}: p is of ½χ²({df - 1}) + ½χ²({df}), since {what} in the smaller model; "
            f"χ²({df}) alone gives {line['pvalue_chisq']:.4g}."
        )
    elif number > 1:
        said.append(
            f"{subject}: p, which is of χ²({df}), is too large, since {what} in the smaller model."
        )
    if line["chisq"] < -1e-6 * max(1.0, abs(large.objective)):
        said.append(
            f"{subject}: the larger model fits worse, so its search stopped short of the best fit. "
            "Try another optimizer, or allfit."
        )
    return said
