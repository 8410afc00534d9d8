"""`lrtest`: likelihood-ratio tests of nested models."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

from numbamm.elsewhere import names_arguments
from numbamm.errors import NumbammWarning, OptionError, warn
from numbamm.inference.comparison.criteria import akaike_weights
from numbamm.inference.comparison.fits import (
    Fit,
    difference_error,
    is_swallowed,
    labelled,
    model_names,
)
from numbamm.inference.comparison.nested import (
    added_zeros,
    at_ends,
    not_identified,
    refuse_different_criteria,
    refuse_different_data,
    refuse_not_nested,
    refuse_other_families,
    same_partition,
    words_of_end,
)
from numbamm.inference.comparison.nested_residuals import at_bounds
from numbamm.inference.comparison.views import fit_of, fits_of
from numbamm.inference.update import update
from numbamm.models.mixedmodel import MixedModel
from numbamm.options import flag
from numbamm.report.result import Result

#: Relative difference of objectives up to which two searches have found the same minimum.
ROUNDING = 1e-9


@names_arguments
def lrtest(*models, names: Iterable[str] | None = None, check: bool = True) -> Result:
    """Likelihood-ratio tests of nested models, each against the next larger one.

    Parameters
    ----------
    *models : fitted models
        Two or more linear or generalized mixed models. Fits by statsmodels without random
        effects (OLS, WLS, GLM, Logit, Probit, Poisson, NegativeBinomial) may be among them.
    names : list of str, optional
        Names of the models in the table, in the order of `models`; m0, m1, ... by number of
        parameters, if not given.
    check : bool
        Whether to raise an error if the smaller model is not recognised as a special case of the
        larger. The check compares the columns of X, and those of the random effects for each
        block of λ. Without it, nestedness is the caller's responsibility.

    Returns
    -------
    Result
        A row per model, sorted by number of parameters: ``npar, aic, bic, llf, objective``, and
        for each but the first ``chisq, df, pvalue, pvalue_chisq``.

    Raises
    ------
    DataError
        The models have different rows, responses or weights.
    OptionError
        The models are not nested, or their criteria cannot be compared: REML fits with different
        fixed effects, REML and maximum likelihood, different approximations. Models of different
        families are not nested, except those of a limit or special case of a family, such as
        Poisson in negative binomial ones, Gaussian in Student's t, or binomial in beta-binomial.
    NotFittedError
        A model is not fitted.

    Warns
    -----
    NumbammWarning
        The smaller model is singular, and the larger one has more random effects.

    See Also
    --------
    information_criteria : Models that need not be nested.
    ranova, drop1 : Parts of one model dropped in turn.

    Notes
    -----
    If the larger model has one more random effect per level, the variance of that effect is zero
    under the smaller model, on the boundary of its range. Then `pvalue` is that of the mixture
    ½χ²(df - 1) + ½χ²(df), and `pvalue_chisq` that of χ²(df), which is too large (Self & Liang,
    1987, J. Am. Stat. Assoc. 82, 605; Stram & Lee, 1994, Biometrics 50, 1171). The same mixture
    is used for a Poisson model in a negative binomial one, where the shape is infinite under the
    smaller model (Lawless, 1987, Can. J. Stat. 15, 209), for other families that are limits, as the
    Gaussian one is of Student's t, for a constant probability of more zeros
    (``zi="~ 1"``) that is zero under it, and for a range of the residuals that is
    zero under it. The mixture holds for a single parameter
    on the boundary. With several of them, or if the smaller model is itself singular, both
    p-values are those of χ²(df), which is conservative. Effects on a parameter that is at its end
    under the smaller model, as in ``zi="~ x"``, mean nothing there: no distribution is known, and
    there is no p-value.

    A negative binomial model without further parts, fitted with the expected information, is fitted
    again with the observed one to compare it with models of several parts, which have no other.

    Fits by random probes (``tail="iterative"``) know their likelihoods up to a Monte-Carlo error;
    then column ``mc_error`` has that of ``chisq``, and a difference within three of them gets no
    p-value.

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
    models, refitted = _with_one_information(models)
    fits = fits_of(models)
    order = sorted(range(len(fits)), key=lambda i: fits[i].npar)
    called = model_names(fits, names)
    called = called if names is None else [called[i] for i in order]
    fits = [fits[i] for i in order]
    refuse_different_data(fits)
    refuse_different_criteria(fits)
    labels = labelled(fits)
    lines, notes = [fits[0].criteria], [f"{called[0]}: {labels[0]}"]
    for i in range(1, len(fits)):
        small, large = fits[i - 1], fits[i]
        refuse_other_families(small, large)
        if check:
            refuse_not_nested(small, large)
        elif small.npar == large.npar:
            raise OptionError(f"{small.text} and {large.text} have equally many parameters")
        if small.singular and _boundary(small, large)[0]:
            warn(
                f"{small.text} is singular: the distribution of its likelihood-ratio test against "
                f"{large.text} is not known, and the p-value is too large"
            )
        lines.append(large.criteria | _test(small, large))
        notes.append(f"{called[i]}: {labels[i]}")
    for i in range(1, len(fits)):
        notes += _remarks(fits[i - 1], fits[i], lines[i], f"{called[i]} against {called[i - 1]}")
    notes += [
        f"{called[order.index(i)]} was fitted again with the observed information, as the others."
        for i in refitted
    ]
    kind = "restricted likelihoods (REML)" if fits[0].reml else "likelihoods"
    return Result(
        f"Likelihood-ratio test of nested models by their {kind}",
        pd.DataFrame(lines, index=called),
        notes,
        hidden=("pvalue_chisq",),
    )


def _with_one_information(models) -> tuple[list, list[int]]:
    """The models, all with the observed information if some know no other; and which are new.

    Families of one parameter are fitted with the expected information as a rule, and those with
    further parts with the observed one, so that a model and the same one with more zeros would
    not be comparable.
    """
    models, new = list(models), []
    if any(getattr(model, "composition", None) is not None for model in models):
        for i, model in enumerate(models):
            plain = isinstance(model, MixedModel) and model.composition is None
            if plain and fit_of(model).information == "expected":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", NumbammWarning)
                    models[i] = update(model, information="observed")
                new.append(i)
    return models, new


def dropped_table(title: str, full: Fit, fits: dict[str, Fit]) -> Result:
    """The table of `drop1` and `ranova`: a model, and a test of the fit without each part."""
    import pandas as pd

    lines, notes = [full.criteria], [full.text]
    for name, fit in fits.items():
        lines.append(fit.criteria | _test(fit, full))
        notes += _remarks(fit, full, lines[-1], name)
    frame = pd.DataFrame(lines, index=["<none>", *fits]).drop(columns="bic")
    frame.insert(list(frame).index("aic") + 1, "weight", akaike_weights(frame["aic"]))
    return Result(title, frame, notes, hidden=("pvalue_chisq",))


def added_table(title: str, small: Fit, fits: dict[str, Fit], notes: list[str]) -> Result:
    """The table of a model, and of tests of it against fits with one part more each."""
    import pandas as pd

    lines = [small.criteria] + [fit.criteria | _test(small, fit) for fit in fits.values()]
    remarks = [
        note for name, fit in fits.items() for note in _remarks(small, fit, _test(small, fit), name)
    ]
    frame = pd.DataFrame(lines, index=["<none>", *fits]).drop(columns="bic")
    return Result(title, frame, [small.text, *notes, *remarks], hidden=("pvalue_chisq",))


def _test(small: Fit, large: Fit) -> dict[str, float]:
    """χ², df and p-values of one likelihood-ratio test."""
    chisq, df = small.objective - large.objective, large.npar - small.npar
    if abs(chisq) < ROUNDING * max(1.0, abs(large.objective)):
        chisq = 0.0
    plain = _survival(chisq, df)
    p = plain
    if _boundary(small, large)[0] == 1 and not small.singular:
        p = 0.5 * (_survival(chisq, df - 1) + plain)
    if not_identified(small, large):
        p = plain = math.nan
    line = {"chisq": chisq, "df": float(df), "pvalue": p, "pvalue_chisq": plain}
    error = difference_error(small, large)
    if error > 0:
        line["mc_error"] = error
        if is_swallowed(chisq, error):
            line["pvalue"] = line["pvalue_chisq"] = math.nan
    return line


def _survival(chisq: float, df: int) -> float:
    """P(χ²(df) ≥ chisq); a χ²(0) variable is always zero."""
    from scipy.stats import chi2

    return float(chi2.sf(chisq, df)) if df else float(chisq <= 0)


def more_random_effects(small: Fit, large: Fit) -> int:
    """Number of variances of random effects of the larger model that are zero in the smaller one.

    That is how many more effects a level has, over all factors, or how many more variances, if
    several effects share one. It is 0 if the smaller model has effects of groups that the larger
    one lacks, such as ``(1 | g:f)`` in ``(0 + f | g)``: then no variance is zero.
    """
    for term in small.terms:
        if not any(same_partition(term.refs, other.refs) for other in large.terms):
            return 0
    effects, variances = (
        sum(count(t.structure) for t in large.terms) - sum(count(t.structure) for t in small.terms)
        for count in (lambda s: s.p, lambda s: int(s.is_scale.sum()))
    )
    return min(effects, variances)


def _adds_to_rank(small: Fit, large: Fit) -> bool:
    """Whether a covariance matrix of the same effects has a higher rank in the larger model."""
    p, rank = (
        [sum(getattr(t.structure, what) for t in fit.terms) for fit in (small, large)]
        for what in ("p", "rank")
    )
    return p[0] == p[1] and rank[0] < rank[1]


def _boundary(small: Fit, large: Fit) -> tuple[int, str]:
    """Number of parameters on the boundary under the smaller model, and which, as text."""
    variances, ends = more_random_effects(small, large), at_ends(small, large)
    parts = [] if not variances else [f"{variances} variances are zero"]
    parts = ["a variance is zero"] if variances == 1 else parts
    if _adds_to_rank(small, large):  # a cone, for which no mixture is known
        variances, parts = 2, ["a covariance matrix has a lower rank"]
    parts += [words_of_end(end) for end in ends]
    zeros = added_zeros(small, large)
    parts += ["the probability of more zeros is zero"] if zeros else []
    met = at_bounds(small.residual_side, large.residual_side)
    return variances + len(ends) + zeros + len(met), " and ".join([*parts, *met])


def _remarks(small: Fit, large: Fit, line: dict, subject: str) -> list[str]:
    """Notes on the p-value of one test, and on a larger model that fits worse."""
    if is_swallowed(line["chisq"], error := line.get("mc_error", 0.0)):
        return [
            f"{subject}: no p-value, since the difference of {line['chisq']:.3g} is within three "
            f"Monte-Carlo errors of {error:.2g}. Fit with more probes, or with tail='sparse' or "
            "tail='dense'."
        ]
    if why := not_identified(small, large):
        return [
            f"{subject}: no p-value, since {why}. Compare information criteria, or the statistic "
            "with those of responses that the smaller model simulates."
        ]
    notes, df = [], int(line["df"])
    number, boundary = _boundary(small, large)
    if number and small.singular:
        notes.append(
            f"{subject}: p is from χ²({df}) and too large, since the smaller model is itself "
            "singular."
        )
    elif number == 1:
        notes.append(
            f"{subject}: p is from ½χ²({df - 1}) + ½χ²({df}), since {boundary} in the smaller "
            f"model; χ²({df}) alone gives {line['pvalue_chisq']:.4g}."
        )
    elif number > 1:
        notes.append(
            f"{subject}: p is from χ²({df}) and too large, since {boundary} in the smaller model."
        )
    if line["chisq"] < -1e-6 * max(1.0, abs(large.objective)):
        notes.append(
            f"{subject}: the larger model fits worse, so its search has missed the best fit. "
            "Try another optimizer, or allfit."
        )
    return notes
