"""`emmeans`: estimated marginal means, and comparisons of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import OptionError, did_you_mean
from numbamm.glm import link as links
from numbamm.inference import adjust as adjustments
from numbamm.inference import ddf as degrees
from numbamm.inference.contrast import estimates, on_kept_columns, valid_alpha
from numbamm.inference.refgrid import ReferenceGrid
from numbamm.inference.result import Result

WEIGHTS = ("equal", "proportional")
TYPES = ("link", "response")
METHODS = ("pairwise", "reference", "deviation", "consecutive")
#: What exp of a difference of linear predictors is called.
_RATIOS = {"log": "ratio", "logit": "odds ratio"}


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
    type : str
        ``"link"`` or ``"response"``.
    alpha : float
    """

    model: Any = None
    method: Any = None
    labels: pd.DataFrame | None = None
    by: list[str] = field(default_factory=list)
    L: np.ndarray | None = None
    type: str = "link"
    alpha: float = 0.05

    def pairs(self, adjust: str = "tukey") -> Result:
        """All differences of two means, see `contrast`."""
        return self.contrast("pairwise", adjust=adjust)

    def contrast(self, method="pairwise", *, adjust: str | None = None) -> Result:
        """Compare the means, within each combination of the `by` variables.

        Parameters
        ----------
        method : str or dict
            ``"pairwise"``: each with each; ``"reference"``: each with the first;
            ``"deviation"``: each with the mean of all; ``"consecutive"``: each with the one
            before; or a dict of names and weights of the means, in their order.
        adjust : {"tukey", "holm", "bonferroni", "sidak", "none"}, optional
            For several comparisons in one family; Tukey's, which is for pairs alone, or Holm's,
            if not given.

        Returns
        -------
        Result
            ``estimate, se, df, statistic, pvalue, lower, upper``, p-values and intervals
            adjusted. Of means on the scale of the response, differences of logarithms become
            ratios, and differences of logits odds ratios; tests stay on the link's scale.

        Raises
        ------
        OptionError
        """
        adjust = adjust or ("tukey" if method == "pairwise" else "holm")
        adjust = adjustments.checked(adjust)
        if adjust == "tukey" and not (isinstance(method, str) and method == "pairwise"):
            raise OptionError('adjust="tukey" is for pairwise comparisons')
        tables, notes = [], []
        for values, members in self._families():
            names, weights = _comparisons(self._names(members), method, self._ratio)
            table = self._compared(names, weights @ self.L[members], adjust, len(members))
            for name, value in zip(reversed(self.by), reversed(values), strict=True):
                table.insert(0, name, value)
            tables.append(table)
        if len(tables[0]) == 1:
            adjust = "none"
        if adjust != "none":
            said = {"tukey": "Tukey", "holm": "Holm", "bonferroni": "Bonferroni", "sidak": "Šidák"}
            within = f" within each {', '.join(self.by)}" if self.by else ""
            notes.append(
                f"p-values adjusted for {len(tables[0])} comparisons{within} by "
                f"{said[adjust]}'s method."
            )
        if self.type == "response" and self._ratio is None:
            notes.append(f"Differences are on the scale of the link, {self.model.link}.")
        kind = "Ratios" if self._ratio else "Contrasts"
        return Result(
            f"{kind} of marginal means, {self.method.title}",
            pd.concat(tables, ignore_index=True),
            [*notes, _level(self.alpha, adjust), *self.method.notes],
        )

    @property
    def _ratio(self) -> str | None:
        """What a difference becomes on the response's scale, if it has a name."""
        return _RATIOS.get(self.model.link) if self.type == "response" else None

    def _families(self) -> list[tuple[tuple, np.ndarray]]:
        if not self.by:
            return [((), np.arange(len(self.labels)))]
        groups = self.labels.groupby(self.by, sort=False, observed=True).indices
        return [(k if isinstance(k, tuple) else (k,), np.asarray(v)) for k, v in groups.items()]

    def _names(self, members) -> list[str]:
        """The means by the values of the variables that tell them apart."""
        own = self.labels.drop(columns=self.by).iloc[members]
        return [" ".join(str(v) for v in line) for line in own.itertuples(index=False)]

    def _compared(self, names, L, adjust: str, means: int) -> pd.DataFrame:
        table = _estimates(self.model, self.method, L, self.alpha)
        half = adjustments.critical(adjust, self.alpha, len(L), table["df"], means) * table["se"]
        table["pvalue"] = adjustments.pvalues(
            adjust, table["pvalue"], table["statistic"], table["df"], means
        )
        table["lower"], table["upper"] = table["estimate"] - half, table["estimate"] + half
        if self._ratio:
            for name in ("estimate", "lower", "upper"):
                table[name] = np.exp(table[name])
            table["se"] *= table["estimate"]
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
) -> MarginalMeans:
    """Estimated marginal means: predictions for the population, averaged over a grid.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    specs : str or list of str
        The variables for whose combinations means are wanted; ``"a * b"`` and ``"a | b"``
        (means of a, compared within b) are understood.
    by : str or list of str
        Further variables, within whose values means are compared.
    at : dict, optional
        Values of variables, ``{"Days": [0, 5]}``; by default factors have all their levels,
        and covariates their mean.
    ddf : {"satterthwaite", "kenward-roger", "wald"}, optional
        As for `contrast`.
    type : {"link", "response"}
        Linear predictors, or the means of the response that belong to them, with standard
        errors by the delta method and the ends of the intervals transformed.
    weights : {"equal", "proportional"}
        How the levels of other factors are averaged over: alike, or by their numbers of rows.
    alpha : float
        One minus the coverage of the intervals.

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
    _one_of("weights", weights, WEIGHTS)
    _one_of("type", type, TYPES)
    names, by = _variables(specs, by)
    grid = ReferenceGrid(model.frame, at)
    for name in [*names, *by]:
        grid.check(name)
    labels, L, offset = grid.cells([*names, *by], weights)
    frame = _estimates(model, method, L, alpha).drop(columns=["statistic", "pvalue"])
    frame = frame.rename(columns={"estimate": "mean"})
    for name in ("mean", "lower", "upper"):
        frame[name] += offset
    result = MarginalMeans(
        f"Marginal means, {method.title}",
        pd.concat([labels, frame], axis=1),
        _notes(model, grid, [*names, *by], weights, frame, alpha) + method.notes,
        model=model,
        method=method,
        labels=labels,
        by=by,
        L=L,
        alpha=alpha,
    )
    return _on_response(result) if type == "response" else result


def _estimates(model, method, L, alpha: float) -> pd.DataFrame:
    """Each row's estimate, test and interval; NaN where it cannot be estimated."""
    kept, estimable = on_kept_columns(model.feterm, L)
    frame = estimates(method, kept[estimable], np.zeros(int(estimable.sum())), alpha)
    return frame.set_axis(np.flatnonzero(estimable)).reindex(range(len(L)))


def _on_response(result: MarginalMeans) -> MarginalMeans:
    """The means back-transformed, by the delta method."""
    frame, model = result.frame.copy(), result.model
    code = links.NAMES[model.link]
    ends = np.sort([links.mean(code, frame[n].to_numpy()) for n in ("lower", "upper")], axis=0)
    frame["se"] *= np.abs(links.slope(code, frame["mean"].to_numpy()))
    frame["mean"] = links.mean(code, frame["mean"].to_numpy())
    frame["lower"], frame["upper"] = ends
    notes = ["Means of the response, for random effects of zero.", *result.notes]
    return replace(result, frame=frame, notes=notes, type="response")


def _notes(model, grid, names, weights, frame, alpha) -> list[str]:
    """What the means are averaged over and where covariates stand."""
    notes = []
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
    return [*notes, _level(alpha, "none")]


def _level(alpha: float, adjust: str) -> str:
    simultaneous = {"none": "", "holm": " (by Bonferroni's method)"}.get(adjust, " (simultaneous)")
    return f"{100 * (1 - alpha):g} % intervals{simultaneous}."


def _variables(specs, by) -> tuple[list[str], list[str]]:
    """The variables of means and of groups, from names or a little formula."""
    by = [by] if isinstance(by, str) else list(by)
    if isinstance(specs, str):
        inner, _, outer = specs.strip().removeprefix("~").partition("|")
        specs = _split(inner)
        by = [*_split(outer), *by] if outer.strip() else by
    names = list(specs)
    both = [*names, *by]
    if not names or len(set(both)) < len(both):
        raise OptionError(f"specs and by name variables, each once, not {both}")
    return names, by


def _split(text: str) -> list[str]:
    for sign in "*:+":
        text = text.replace(sign, " ")
    return text.split()


def _comparisons(names: list[str], method, ratio) -> tuple[list[str], np.ndarray]:
    """Names and weights of the comparisons of some means."""
    m, eye = len(names), np.eye(len(names))
    sign = " / " if ratio else " - "
    if isinstance(method, Mapping):
        weights = [np.asarray(w, dtype=np.float64) for w in method.values()]
        if not weights or any(w.shape != (m,) or not np.isfinite(w).all() for w in weights):
            raise OptionError(f"each contrast needs {m} weights, for {', '.join(names)}")
        return [str(name) for name in method], np.array(weights)
    if not isinstance(method, str) or method not in METHODS:
        raise OptionError(
            f"unknown contrasts {method!r}{did_you_mean(str(method), METHODS)}; there are "
            f"{', '.join(METHODS)}, or a dict of weights"
        )
    if m < 2:
        raise OptionError("there is one mean only: nothing to compare it with")
    if method == "deviation":
        return [f"{name}{sign}mean" for name in names], eye - 1 / m
    pairs = {
        "pairwise": list(combinations(range(m), 2)),
        "reference": [(j, 0) for j in range(1, m)],
        "consecutive": [(j + 1, j) for j in range(m - 1)],
    }[method]
    return [f"{names[a]}{sign}{names[b]}" for a, b in pairs], np.array(
        [eye[a] - eye[b] for a, b in pairs]
    )


def _one_of(what: str, value, known) -> None:
    if value not in known:
        raise OptionError(f"{what} must be one of {', '.join(known)}, not {value!r}")
