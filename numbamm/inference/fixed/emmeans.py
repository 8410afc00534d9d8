"""`emmeans`: estimated marginal means, and comparisons of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import OptionError, did_you_mean
from numbamm.formula.scan import tokenise
from numbamm.inference.fixed import adjust as adjustments
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.backtransform import BackTransform
from numbamm.inference.fixed.contrast import estimates, on_kept_columns
from numbamm.inference.fixed.refgrid import ReferenceGrid
from numbamm.inference.fixed.totalvariance import total_variance
from numbamm.options import flag, mapping, name_list, numbers, one_of, shown, valid_alpha
from numbamm.report.result import Result

WEIGHTS = ("equal", "proportional")
TYPES = ("link", "response")
METHODS = ("pairwise", "reference", "deviation", "consecutive")


@dataclass(repr=False)
class MarginalMeans(Result):
    """Estimated marginal means; `pairs` and `contrast` compare them.

    Attributes
    ----------
    model : MixedModel
    method : Wald, Satterthwaite or KenwardRoger
    labels : pandas.DataFrame
        The variables' values, a line a mean.
    by : list of str
        Variables within whose values means are compared.
    L : ndarray, shape (means, p)
        The means as combinations of the coefficients.
    offset : ndarray, shape (means,)
        What the offset adds to them.
    type : str
        ``"link"`` or ``"response"``.
    alpha : float
    back : BackTransform
        From the scale of the link, and of a transformed response, to the response's own.
    """

    model: Any = None
    method: Any = None
    labels: pd.DataFrame | None = None
    by: list[str] = field(default_factory=list)
    L: np.ndarray | None = None
    offset: np.ndarray | None = None
    type: str = "link"
    alpha: float = 0.05
    back: BackTransform | None = None

    def pairs(self, adjust: str = "tukey") -> Result:
        """All differences of two means, see `contrast`."""
        return self.contrast("pairwise", adjust=adjust)

    def contrast(self, method="pairwise", *, adjust: str | None = None) -> Result:
        """Compare the means, within each combination of the `by` variables.

        Parameters
        ----------
        method : str or dict
            ``"pairwise"``: each with each; ``"reference"``: each with the first;
            ``"deviation"``: each with the mean of all that can be estimated;
            ``"consecutive"``: each with the one before; or a dict of names and weights of the
            means, in their order.
        adjust : {"tukey", "holm", "bonferroni", "sidak", "none"}, optional
            For several comparisons in one family; Tukey's, which is for pairs alone, or Holm's,
            if not given.

        Returns
        -------
        Result
            ``estimate, se, df, statistic, pvalue, lower, upper``, p-values and intervals
            adjusted for the comparisons that can be estimated; the others have NaN. Of means on
            the scale of the response, differences of logarithms become ratios, and differences
            of logits odds ratios; tests stay on the link's scale.

        Raises
        ------
        OptionError
        """
        pairs = isinstance(method, str) and method == "pairwise"
        if adjust is None:
            adjust = "tukey" if pairs else "holm"
        adjust = adjustments.checked(adjust)
        if adjust == "tukey" and not pairs:
            raise OptionError('adjust="tukey" is for pairwise comparisons')
        tables, counts = [], []
        for values, members in self._families():
            known = self.frame["se"].notna().to_numpy()[members]
            names, weights = _comparisons(self._names(members), method, self._base, known)
            table = self._compared(names, weights, members, adjust)
            counts.append(int(table["se"].notna().sum()))
            for name, value in zip(reversed(self.by), reversed(values), strict=True):
                table.insert(0, name, value)
            tables.append(table)
        if not sum(map(len, tables)):
            raise OptionError("there is one mean only: nothing to compare it with")
        if max(counts) <= 1:
            adjust = "none"
        kind = "Ratios" if self._base else "Contrasts"
        return Result(
            f"{kind} of marginal means, {self.method.title}",
            pd.concat([t for t in tables if len(t)], ignore_index=True),
            [
                *self._remarks(method, adjust, counts, sum(map(len, tables))),
                _level(self.alpha, adjust),
                *self.method.notes,
            ],
        )

    def _remarks(self, method, adjust: str, counts: list[int], lines: int) -> list[str]:
        """What is said of comparisons: adjustments, scale, and what has no number."""
        notes = []
        if adjust != "none":
            said = {"tukey": "Tukey", "holm": "Holm", "bonferroni": "Bonferroni", "sidak": "Šidák"}
            within = f" within each {', '.join(self.by)}" if self.by else ""
            number = f"{min(counts)} to {max(counts)}" if len(set(counts)) > 1 else counts[0]
            notes.append(
                f"p-values adjusted for {number} comparisons{within} by {said[adjust]}'s method."
            )
        if self._base and self.back.steps and not self.back.is_column("first"):
            notes.append(f"Ratios of {self.back.first}.")
        if self._base and self.model.link == "logit":
            notes.append("The ratios are odds ratios.")
        scale = self.back.response if self.back.steps else f"the link, {self.model.link}"
        if self.type == "response" and not self._base and scale != "the link, identity":
            notes.append(f"Differences are on the scale of {scale}.")
        if sum(counts) < lines:
            notes.append("Comparisons without a number cannot be estimated.")
        if isinstance(method, str) and method == "deviation" and self.frame["se"].isna().any():
            notes.append("The mean is that of the means that can be estimated.")
        return notes

    @property
    def _base(self) -> float:
        """Whose power a difference becomes on the response's scale; 0 if that is no ratio."""
        return self.back.base if self.type == "response" else 0.0

    def _families(self) -> list[tuple[tuple, np.ndarray]]:
        if not self.by:
            return [((), np.arange(len(self.labels)))]
        groups = self.labels.groupby(self.by, sort=False, observed=True).indices
        return [(k if isinstance(k, tuple) else (k,), np.asarray(v)) for k, v in groups.items()]

    def _names(self, members) -> list[str]:
        """The means by the values of the variables that tell them apart."""
        own = self.labels.drop(columns=self.by).iloc[members]
        return [" ".join(str(v) for v in line) for line in own.itertuples(index=False)]

    def _compared(self, names, weights, members, adjust: str) -> pd.DataFrame:
        """One family's comparisons, adjusted for those that can be estimated."""
        lost = np.isnan(self.L[members]).any(axis=1)
        L = weights @ np.where(lost[:, None], 0.0, self.L[members])
        L[(weights[:, lost] != 0).any(axis=1)] = np.nan
        offset = weights @ np.where(lost, 0.0, self.offset[members])
        table = _estimates(self.model, self.method, L, offset, self.alpha)
        known = table["se"].notna().to_numpy()
        if known.any():
            some, means = table[known], int((weights[known] != 0).any(axis=0).sum())
            half = adjustments.critical(adjust, self.alpha, len(some), some["df"], means)
            half = half * some["se"]
            table["lower"], table["upper"] = table["estimate"] - half, table["estimate"] + half
            table.loc[known, "pvalue"] = adjustments.pvalues(
                adjust, some["pvalue"], some["statistic"], some["df"], means
            )
        if self._base:
            for name in ("estimate", "lower", "upper"):
                table[name] = self._base ** table[name]
            table["se"] *= table["estimate"] * np.log(self._base)
        table.insert(0, "contrast", names)
        return table


def emmeans(
    model,
    specs: str | Iterable[str],
    *,
    by: str | Iterable[str] = (),
    at: Mapping[str, Any] | None = None,
    ddf: str | None = None,
    type: str = "link",
    weights: str = "equal",
    alpha: float = 0.05,
    bias_adjust: bool = False,
    sigma: float | None = None,
) -> MarginalMeans:
    """Estimated marginal means: predictions for the population, averaged over a grid.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    specs : str or list of str
        The variables for whose combinations means are wanted; ``"a * b"`` and ``"a | b"``
        (means of a, compared within b) are understood, and names in back-quotes. Factors that
        these are nested in join them.
    by : str or list of str
        Further variables, within whose values means are compared.
    at : dict, optional
        Values of variables, ``{"Days": [0, 5]}``; by default factors have all their levels,
        and covariates their mean.
    ddf : {"satterthwaite", "kenward-roger", "wald"}, optional
        As for `contrast`.
    type : {"link", "response"}
        Linear predictors, or the response that belongs to them, with standard errors by the
        delta method and the ends of the intervals transformed. Transformations on the left-hand
        side of the formula are undone, too, as of ``log(y)``, ``log10(y + 1)``, ``sqrt(y)``,
        ``I(1 / y)`` or ``y**0.3``; a note names what cannot be.
    weights : {"equal", "proportional"}
        How the levels of other factors are averaged over: alike, or by their numbers of rows.
    alpha : float
        One minus the coverage of the intervals.
    bias_adjust : bool
        With ``type="response"``: means of the response, where the linear predictor varies
        normally about the marginal mean, instead of the response at that mean, which is a
        median.
    sigma : float, optional
        The standard deviation of that variation. If not given, its square is the variance of
        the random effects, at the rows that are averaged, and for linear models that of a
        residual with weight one.

    Returns
    -------
    MarginalMeans
        Columns for the variables, then ``mean, se, df, lower, upper``; `pairs` and `contrast`
        compare the means.

    Raises
    ------
    NotFittedError
    OptionError
        A variable or an option is unknown.
    DataError
        `at` names a level that there is not.

    Notes
    -----
    A factor is nested in another if each of its levels occurs with one level of that alone, or
    if the formula has it only within the other one, as ``region / site``, and not all
    combinations exist. Averages then run over those that do, of the inner factor first. Without
    nesting means of empty cells cannot be estimated.

    The bias adjustment is the expectation itself, by quadrature; emmeans has its expansion to
    second order, exp(η)(1 + σ²/2) for exp(η + σ²/2).

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
    method = degrees.method(model, ddf)
    one_of("weights", weights, WEIGHTS)
    one_of("type", type, TYPES)
    at = {} if at is None else mapping("at", at)
    grid = ReferenceGrid(model.frame, {_bare(name): v for name, v in at.items()})
    names, by = _variables(specs, by, grid.values)
    for name in [*names, *by]:
        grid.check(name)
    bias_adjust = flag("bias_adjust", bias_adjust)
    if type == "link" and (bias_adjust or sigma is not None):
        raise OptionError('bias_adjust and sigma are for type="response"')
    if sigma is not None and not bias_adjust:
        raise OptionError("sigma takes bias_adjust=True")
    names = [name for name in grid.with_outer([*names, *by]) if name not in by]
    cells, back = grid.cells([*names, *by], weights), BackTransform(model)
    L = cells.average(grid.X)
    offset = cells.average(grid.offset)
    frame = _estimates(model, method, L, offset, alpha).drop(columns=["statistic", "pvalue"])
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
        L=L,
        offset=offset,
        alpha=alpha,
        back=back,
    )
    if type == "link":
        return replace(result, notes=[*back.link_note(), *result.notes])
    spread = _spread(model, grid, cells, sigma) if bias_adjust else None
    return _on_response(result, spread)


def _estimates(model, method, L, offset, alpha: float) -> pd.DataFrame:
    """Each row's estimate, test and interval; NaN where it cannot be estimated."""
    kept, estimable = on_kept_columns(model.feterm, L)
    estimable &= np.isfinite(L).all(axis=1)
    frame = estimates(method, kept[estimable], -offset[estimable], alpha)
    for name in ("estimate", "lower", "upper"):
        frame[name] += offset[estimable]
    return frame.set_axis(np.flatnonzero(estimable)).reindex(range(len(L)))


def _spread(model, grid, cells, sigma) -> np.ndarray:
    """Standard deviations of the linear predictors about each mean, shape (means,)."""
    if sigma is None:
        return np.sqrt(cells.average(total_variance(model, grid)))
    if not (isinstance(sigma, Real) and not isinstance(sigma, bool) and 0 <= sigma < np.inf):
        raise OptionError(f"sigma must be a standard deviation, not {shown(sigma)}")
    return np.full(len(cells.labels), float(sigma))


def _on_response(result: MarginalMeans, spread) -> MarginalMeans:
    """The means back-transformed, by the delta method; over a spread, if there is one."""
    frame, back = result.frame.copy(), result.back
    eta = {name: frame[name].to_numpy() for name in ("mean", "lower", "upper")}
    frame["se"] *= np.abs(back.slope(eta["mean"], spread))
    frame["mean"] = back.mean(eta["mean"], spread)
    ends = [back.mean(eta[name], spread) for name in ("lower", "upper")]
    frame["lower"], frame["upper"] = np.sort(ends, axis=0)
    notes = [*back.response_notes(spread), *result.notes]
    lost = ~np.isfinite(frame["mean"]) & np.isfinite(eta["mean"])
    if lost.any():
        frame.loc[lost, ["mean", "se", "lower", "upper"]] = np.nan
        notes.append(f"Means without a number: {back.left} does not exist there, or has no mean.")
    return replace(result, frame=frame, notes=notes, type="response")


def _notes(model, grid, names, weights, frame, alpha) -> list[str]:
    """What the means are averaged over and where covariates stand."""
    notes = []
    for factor, outer in grid.nested.items():
        notes.append(
            f"{factor} is nested in {', '.join(outer)}: averages are over combinations that exist."
        )
    over = [f for f in grid.factors if f not in names and len(grid.values[f]) > 1]
    if over:
        how = "" if weights == "equal" else ", by their numbers of rows"
        notes.append(f"Averaged over the levels of {', '.join(over)}{how}.")
    fixed = [
        f"{name} = {grid.values[name][0]:g}"
        for name in grid.values
        if name not in names and name not in grid.factors and len(grid.values[name]) == 1
    ]
    if fixed:
        notes.append(f"At {', '.join(fixed)}.")
    if model.link != "identity":
        notes.append(f"Link: {model.link}.")
    if frame["mean"].isna().any():
        notes.append("Means without a number cannot be estimated: there are no data for them.")
    if (frame["mean"].notna() & frame["se"].isna()).any():
        notes.append("The covariance of the coefficients has no numbers, as where cells separate.")
    return [*notes, _level(alpha, "none")]


def _level(alpha: float, adjust: str) -> str:
    simultaneous = {"none": "", "holm": " (by Bonferroni's method)"}.get(adjust, " (simultaneous)")
    return f"{100 * (1 - alpha):g} % intervals{simultaneous}."


def _variables(specs, by, variables) -> tuple[list[str], list[str]]:
    """The variables of means and of groups, from names or a little formula."""
    names, by = name_list("specs", specs), name_list("by", () if by is None else by, least=0)
    by = [_bare(name) for name in by]
    if isinstance(specs, str) and specs not in variables:
        names, *outer = _split(specs)
        by = [*(name for part in outer for name in part), *by]
    elif not isinstance(specs, str):
        names = [_bare(name) for name in names]
    both = [*names, *by]
    if not names or len(set(both)) < len(both):
        raise OptionError(f"specs and by must name variables, each of them once, not {shown(both)}")
    return names, by


def _split(text: str) -> list[list[str]]:
    """The names of a little formula, on each side of the bar."""
    sides = [[""]]
    for token in tokenise(text.strip().removeprefix("~")):
        if token.text == "|":
            sides.append([""])
        elif token.text in ("*", ":", "+"):
            sides[-1].append("")
        else:
            space = " " if token.after_space and sides[-1][-1] else ""
            sides[-1][-1] += space + token.text
    return [[_bare(name) for name in side] for side in sides]


def _bare(name: str) -> str:
    """A name without back-quotes."""
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] == "`" else name


def _comparisons(names: list[str], method, ratio, known) -> tuple[list[str], np.ndarray]:
    """Names and weights of the comparisons of some means; `known` ones can be estimated."""
    m, eye = len(names), np.eye(len(names))
    sign = " / " if ratio else " - "
    if isinstance(method, Mapping):
        weights = [numbers(f"the weights of {name!r}", w) for name, w in method.items()]
        if not weights or any(w.shape != (m,) or not np.isfinite(w).all() for w in weights):
            raise OptionError(f"each contrast needs {m} weights, for {', '.join(names)}")
        return [str(name) for name in method], np.array(weights)
    if not isinstance(method, str) or method not in METHODS:
        raise OptionError(
            f"unknown contrasts {shown(method)}{did_you_mean(str(method), METHODS)}; there are "
            f"{', '.join(METHODS)}, or a dict of weights"
        )
    if m < 2:
        return [], np.empty((0, m))
    if method == "deviation":
        average = known / known.sum() if known.any() else np.full(m, 1 / m)
        return [f"{name}{sign}mean" for name in names], eye - average
    pairs = {
        "pairwise": list(combinations(range(m), 2)),
        "reference": [(j, 0) for j in range(1, m)],
        "consecutive": [(j + 1, j) for j in range(m - 1)],
    }[method]
    return [f"{names[a]}{sign}{names[b]}" for a, b in pairs], np.array(
        [eye[a] - eye[b] for a, b in pairs]
    )
