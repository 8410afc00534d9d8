"""`emmeans`: estimated marginal means, averages of predictions over a reference grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, shown
from numbamm.formula.expressions import read
from numbamm.formula.materializer import without_fulldummy
from numbamm.formula.names import column_of
from numbamm.formula.tokens import tokenise
from numbamm.inference.fixed.backtransform import BackTransform
from numbamm.inference.fixed.marginalmeans import MarginalMeans, estimates_of_rows, level_note
from numbamm.inference.fixed.refgrid import left_of_bar
from numbamm.inference.fixed.terms import fixed_terms
from numbamm.inference.marginal.mean_kinds import (
    TYPES,
    concerns_parts,
    grid_for,
    means_of,
    types_of,
)
from numbamm.inference.parts.part_view import MEAN, of_part
from numbamm.options import flag, mapping, name_list, one_of, valid_alpha

if TYPE_CHECKING:
    from numbamm.inference.marginal.averages import Averages

WEIGHTS = ("equal", "proportional", "cells")
RE = ("zero", "integrated")


@overload
def emmeans(
    model,
    specs: str | Iterable[str],
    *,
    by: str | Iterable[str] = (),
    at: Mapping[str, Any] | None = None,
    ddf: str | None = None,
    robust: str | None = None,
    cluster: Any = None,
    type: str = "link",
    weights: str = "equal",
    alpha: float = 0.05,
    bias_adjust: bool = False,
    sigma: float | None = None,
    re: Literal["zero"] = "zero",
    part: str | None = None,
) -> MarginalMeans: ...
@overload
def emmeans(
    model,
    specs: str | Iterable[str],
    *,
    by: str | Iterable[str] = (),
    at: Mapping[str, Any] | None = None,
    ddf: str | None = None,
    robust: str | None = None,
    cluster: Any = None,
    type: str = "link",
    weights: str = "equal",
    alpha: float = 0.05,
    bias_adjust: bool = False,
    sigma: float | None = None,
    re: Literal["integrated"],
    part: str | None = None,
) -> Averages: ...
@overload
def emmeans(
    model,
    specs: str | Iterable[str],
    *,
    by: str | Iterable[str] = (),
    at: Mapping[str, Any] | None = None,
    ddf: str | None = None,
    robust: str | None = None,
    cluster: Any = None,
    type: str = "link",
    weights: str = "equal",
    alpha: float = 0.05,
    bias_adjust: bool = False,
    sigma: float | None = None,
    re: str = "zero",
    part: str | None = None,
) -> MarginalMeans | Averages: ...
@names_arguments
def emmeans(
    model,
    specs: str | Iterable[str],
    *,
    by: str | Iterable[str] = (),
    at: Mapping[str, Any] | None = None,
    ddf: str | None = None,
    robust: str | None = None,
    cluster: Any = None,
    type: str = "link",
    weights: str = "equal",
    alpha: float = 0.05,
    bias_adjust: bool = False,
    sigma: float | None = None,
    re: str = "zero",
    part: str | None = None,
) -> MarginalMeans | Averages:
    """Estimated marginal means: averages of predictions for the population over a grid.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    specs : str or list of str
        The variables: there is a mean for each combination of their values. Also ``"a * b"``,
        ``"a | b"`` (means of a, compared within b), and names in back-quotes. Factors that these
        are nested in are added.
    by : str or list of str
        Further variables; means are compared within each combination of their values.
    at : dict, optional
        Values of variables, ``{"Days": [0, 5]}``; if not given, all levels of factors and the
        means of covariates.
    ddf : {"satterthwaite", "kenward-roger", "wald"}, optional
        As for `contrast`.
    robust, cluster : optional
        A robust covariance of the coefficients, as for `contrast`.
    type : str
        The scale of the means: that of linear predictors, or that of the response. For the
        latter standard errors follow by the delta method, and the limits of intervals are
        transformed. Transformations on the left-hand side of the formula are inverted, too, such
        as ``log(y)``, ``log10(y + 1)``, ``sqrt(y)``, ``I(1 / y)`` or ``y**0.3``; a note names
        those that cannot be inverted.

        Ordinal models have ``"link"``, means of the latent variable less the mean threshold;
        ``"prob"``, probabilities of the categories; ``"cumulative"`` and ``"exceedance"``, of those
        up to a threshold and above it; and ``"mean"``, the mean of the category's number from 1.
        ``"latent"``, ``"cum.prob"``, ``"exc.prob"`` and ``"mean.class"`` are the names of the R
        package emmeans for them.

        Of a model of several parts ``"link"`` is the predictor of the mean. Where zeros have a
        part of their own, ``"response"`` averages mean responses, (1 - p) times the mean without
        these zeros, over the grid; ``"conditional"`` the means without them; ``"zprob"`` the
        probabilities p; ``"dispersion"`` the dispersion or shape. Variables of all parts can be
        named then, and standard errors count the coefficients of all parts.
    weights : {"equal", "proportional", "cells"}
        Weights of the levels of other factors in averages: equal, proportional to their numbers
        of rows, or to those among the rows of the mean itself.
    alpha : float
        One minus the coverage of the intervals.
    bias_adjust : bool
        With ``type="response"``: whether to compute the mean of the response when the linear
        predictor varies normally about the marginal mean. If not, the result is the response at
        the marginal mean, which is a median.
    sigma : float, optional
        The standard deviation of the linear predictor for `bias_adjust`. If not given, it follows
        from the variance of the random effects at the averaged rows and, for linear models, the
        variance of a residual with weight one.
    re : {"zero", "integrated"}
        ``"integrated"``: means of the response over the distribution of the random effects, which
        are the population's, in place of those at random effects of zero. They are computed at
        each row of the grid and then averaged, on the scale of the response. Standard errors count
        the errors of the variances, too.
    part : {"mean", "zi", "hurdle", "dispersion"}, optional
        Of a model of several parts: means of the linear predictor of that part; with
        ``type="response"`` transformed to the part's own scale, of the mean to μ.

    Returns
    -------
    MarginalMeans
        Columns for the variables, then ``mean, se, df, lower, upper``; its methods `pairs` and
        `contrast` compare the means. With ``re="integrated"`` `Averages`, whose column is
        ``estimate``; so with averages of parts. Of ordinal models `Averages`, with columns
        ``category`` or ``threshold``, within which they are compared, and ``probability``.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        A variable or an option is unknown.
    DataError
        `at` has an unknown level.

    See Also
    --------
    anova : Tests of terms.
    contrast : Combinations of coefficients.
    LinearMixedModel.predict : Predictions for given rows.

    Notes
    -----
    A factor is nested in another if each of its levels occurs with one level of the other alone,
    or if the formula has it only within the other, as in ``region / site``, and not all
    combinations exist. Averages are then over existing combinations, over the inner factor first.
    Means of empty cells are estimable only with nesting.

    The bias adjustment is the exact expectation, by quadrature. The R package emmeans uses its
    second-order expansion, exp(η)(1 + σ²/2) for exp(η + σ²/2).

    References
    ----------
    Searle, Speed & Milliken, 1980, Am. Stat. 34, 216; Lenth, the R package emmeans.

    Examples
    --------
    >>> import numbamm as mm
    >>> cake = mm.datasets.load("cake")
    >>> m = mm.lmm("angle ~ recipe * temperature + (1 | recipe:replicate)", cake, reml=True)
    >>> mm.emmeans(m, "recipe").to_frame()["mean"].round(2).tolist()
    [33.12, 31.64, 31.6]
    """
    alpha = valid_alpha(alpha)
    one_of("type", type, types_of(model) if part is None else TYPES)
    model, method = of_part(model, part, ddf, robust, cluster)
    if part is not None and (re != "zero" or (bias_adjust and part not in MEAN)):
        raise OptionError("part is of a linear predictor: leave re and bias_adjust out")
    one_of("weights", weights, WEIGHTS)
    at = {} if at is None else mapping("at", at)
    one_of("re", re, RE)
    what = "response" if re == "integrated" and type == "link" else type
    of_response = part is None and concerns_parts(model, what)
    grid = grid_for(model, what if of_response else "link", {bare(n): v for n, v in at.items()})
    names, by = named_variables(specs, by, grid.values)
    for name in [*names, *by]:
        grid.check(name)
    bias_adjust = flag("bias_adjust", bias_adjust)
    if type == "link" and (bias_adjust or sigma is not None):
        raise OptionError('bias_adjust and sigma need type="response"')
    if sigma is not None and not bias_adjust:
        raise OptionError("sigma needs bias_adjust=True")
    names = [name for name in grid.with_outer([*names, *by]) if name not in by]
    if model.has_categories and not of_response:
        from numbamm.inference.categories.category_means import check_latent

        check_latent(model)
        type = "link"
    if re == "integrated" or of_response:
        from numbamm.inference.marginal.integrated import grid_averages

        if bias_adjust or sigma is not None:
            raise OptionError(
                'averages of responses need no adjustment, and re="integrated" has the variances '
                "of the model: leave sigma out, and bias_adjust"
            )
        means = means_of(model, grid, what, re == "integrated")
        return grid_averages(means, grid, names, by, weights, method, alpha)
    cells, back = grid.cells([*names, *by], weights), BackTransform(model)
    L = cells.average(grid.X)
    offset = cells.average(grid.offset)
    frame = estimates_of_rows(model, method, L, offset, alpha).drop(columns=["statistic", "pvalue"])
    frame = frame.rename(columns={"estimate": "mean"})
    notes = _notes(model, grid, [*names, *by], weights, frame, alpha)
    result = MarginalMeans(
        f"Marginal means, {method.title}",
        pd.concat([cells.labels, frame], axis=1),
        notes + method.notes,
        model=model,
        method=method,
        labels=cells.labels,
        by=by,
        factors=grid.factors,
        L=L,
        offset=offset,
        alpha=alpha,
        back=back,
    )
    if type == "link":
        return replace(result, notes=[*back.link_note(), *result.notes])
    spread = _spread(model, grid, cells, sigma) if bias_adjust else None
    return _on_response(result, spread)


def _spread(model, grid, cells, sigma) -> np.ndarray:
    """Standard deviation of the linear predictor about each mean, shape (means,)."""
    if sigma is None:
        return np.sqrt(cells.average(total_variance(model, grid)))
    if not (isinstance(sigma, Real) and not isinstance(sigma, bool) and 0 <= sigma < np.inf):
        raise OptionError(f"sigma must be a finite standard deviation, not {shown(sigma)}")
    return np.full(len(cells.labels), float(sigma))


def _on_response(result: MarginalMeans, spread) -> MarginalMeans:
    """The means on the scale of the response; expectations over `spread`, if that is given."""
    frame, back = result.frame.copy(), result.back
    eta = {name: frame[name].to_numpy() for name in ("mean", "lower", "upper")}
    frame["se"] *= np.abs(back.slope(eta["mean"], spread))
    frame["mean"] = back.mean(eta["mean"], spread)
    ends = [back.mean(eta[name], spread) for name in ("lower", "upper")]
    frame["lower"], frame["upper"] = np.sort(ends, axis=0)
    notes = [*back.response_notes(spread), *result.notes]
    missing = ~np.isfinite(frame["mean"]) & np.isfinite(eta["mean"])
    if missing.any():
        frame.loc[missing, ["mean", "se", "lower", "upper"]] = np.nan
        notes.append(f"Means without numbers: {back.left} does not exist there, or has no mean.")
    return replace(result, frame=frame, notes=notes, type="response")


def _notes(model, grid, names, weights, frame, alpha) -> list[str]:
    """Notes on averages, values of covariates and means that are not estimable."""
    notes = []
    for factor, outer in grid.nested.items():
        notes.append(
            f"{factor} is nested in {', '.join(outer)}: averages are over combinations that exist."
        )
    notes += grid.averaged(names, weights)
    notes += grid.held(names)
    notes += _interactions(model, names, grid)
    if not model.link_record.linear:
        notes.append(f"Link: {model.link}.")
    if model.composition is not None and not model.composition.mean_is_mu:
        zeros = model.composition.zero_part
        without = f", without the zeros of the part {zeros}" if zeros else ""
        notes.append(f"μ is of the family, not the mean of responses{without}.")
    if frame["mean"].isna().any():
        notes.append("Means without numbers are not estimable: the data do not determine them.")
    if (frame["mean"].notna() & frame["se"].isna()).any():
        notes.append("The covariance of the coefficients is unknown, as with separated cells.")
    return [*notes, level_note(alpha, "none")]


def _interactions(model, names: list[str], grid) -> list[str]:
    """Notes if the means depend on variables that are averaged over, or held at one value."""
    others = [name for name in grid.values if name not in names]
    found: dict[str, set[str]] = {name: set() for name in names}
    for term in fixed_terms(model.frame):
        columns = {column for e in term.variables for column in _columns_of(grid.frame, e)}
        for name in columns & set(names):
            found[name] |= columns & set(others)
    notes = []
    for name, partners in found.items():
        factors = [other for other in others if other in partners and other in grid.factors]
        covariates = [other for other in others if other in partners and other not in factors]
        if factors:
            notes.append(
                f"{name} interacts with {', '.join(factors)}: averages over levels that differ may "
                f'mislead; emmeans("{name} | {" * ".join(factors)}") has a mean for each.'
            )
        if covariates:
            values = ", ".join(f'"{other}": [...]' for other in covariates)
            notes.append(
                f"{name} interacts with {', '.join(covariates)}: other values have other means; "
                f'emmeans("{name} | {" * ".join(covariates)}", at={{{values}}}) has them.'
            )
    return notes


def _columns_of(frame, expression: str) -> set[str]:
    """The columns of the data that an expression of the fixed effects reads."""
    name = column_of(without_fulldummy(expression))
    return {name} if name in frame.columns else read(expression, [*frame.columns], full=True).used


def named_variables(specs, by, variables) -> tuple[list[str], list[str]]:
    """Names of the variables of `specs` and of `by`, from names or a text such as ``a * b | c``."""
    names, by = name_list("specs", specs), name_list("by", () if by is None else by, least=0)
    by = [bare(name) for name in by]
    if isinstance(specs, str) and specs not in variables:
        names, *outer = _split(specs)
        by = [*(name for part in outer for name in part), *by]
    elif not isinstance(specs, str):
        names = [bare(name) for name in names]
    both = [*names, *by]
    if not names or len(set(both)) < len(both):
        raise OptionError(f"specs and by must name variables, each of them once, not {shown(both)}")
    return names, by


def _split(text: str) -> list[list[str]]:
    """The names in a text such as ``a * b | c``, on each side of the bar."""
    sides = [[""]]
    for token in tokenise(text.strip().removeprefix("~")):
        if token.text == "|":
            sides.append([""])
        elif token.text in ("*", ":", "+"):
            sides[-1].append("")
        else:
            space = " " if token.after_space and sides[-1][-1] else ""
            sides[-1][-1] += space + token.text
    return [[bare(name) for name in side] for side in sides]


def bare(name: str) -> str:
    """A name without back-quotes."""
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] == "`" else name


def total_variance(model, grid) -> np.ndarray:
    """Variance of the linear predictor at each row of a reference grid.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    grid : ReferenceGrid

    Returns
    -------
    ndarray, shape (rows,)
        The variance of the random effects, z'Σz for each term, plus, for linear models, that of
        a residual with weight one. If the grid lacks columns left of a term's bar, its variance
        is averaged over the rows of the data.
    """
    total = np.full(len(grid.rows), model.residual_variance)
    terms = zip(model.reterms, model.varcorr.terms, model.frame.members, strict=True)
    for term, estimated, members in terms:
        z = left_of_bar(model.frame, members, grid.rows)
        rows = term.z if z is None else z
        variances = np.einsum("an,ab,bn->n", rows, estimated.cov, rows)
        total += variances.mean() if z is None else variances
    return total
