"""`modeltable`: models side by side, as papers show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from numbamm.errors import DataError, NotFittedError, OptionError
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.comparison.modelcolumn import RESIDUAL, ModelColumn
from numbamm.inference.comparison.nested import refuse_different_criteria, refuse_different_data
from numbamm.options import flag, name_list, one_of, shown, valid_alpha
from numbamm.report.content import Hanging, Report, Table
from numbamm.report.digits import MISSING, common_decimals, correlation, fixed, scientific, uniform
from numbamm.report.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd

#: Marks of p-values below these bounds.
STARS = {"***": 0.001, "**": 0.01, "*": 0.05}
#: What may stand below each estimate.
BELOW = ("se", "interval", "p", "none")
#: Significant digits of the largest estimate, at least.
DIGITS = 3
#: Decimals of statistics that are shares of variance, and of information criteria.
_DECIMALS = {"R² marginal": 3, "R² conditional": 3, "ICC": 3, "logLik": 2, "AIC": 2, "BIC": 2}
#: The statistics, in the order of their rows.
_ORDER = ["R² marginal", "R² conditional", "ICC", "Observations", "Levels", "logLik", "AIC", "BIC"]
_ORDER += ["Response", "Family", "Link", "Shape", "Fitted by", "Weights", "Offset"]
#: What is not shown where all models have it: the same response, and what linear models have.
_USUAL = {"Response": None, "Family": "gaussian", "Link": "identity"}


def modeltable(
    *models,
    names: Iterable[str] | None = None,
    exponentiate: bool | Iterable[bool] = False,
    stars: bool | Mapping[str, float] = False,
    ddf: str | None = None,
    below: str | None = None,
    alpha: float = 0.05,
    r2: bool = True,
) -> ModelTable:
    """Models side by side: coefficients, variance components, R², numbers of rows, criteria.

    Parameters
    ----------
    *models : fitted models
        Linear and generalized mixed models, one or more. They may have different data.
    names : list of str, optional
        Their names; ``m0``, ``m1`` and so on, if not given.
    exponentiate : bool, or list of bool with one for each model
        Show odds ratios, rate ratios and the like instead of coefficients; see `coef_table`.
    stars : bool or dict of str to float
        Mark small p-values: ``True`` for ``*`` below 0.05, ``**`` below 0.01 and ``***`` below
        0.001, or a dict of marks and bounds, ``{"†": 0.1, "*": 0.05}``.
    ddf : str, optional
        Degrees of freedom for tests and intervals of the linear models; see `coef_table`.
    below : {"se", "interval", "p", "none"}, optional
        What stands below each estimate: its standard error, its interval, its p-value, or nothing.
        If not given, intervals with `exponentiate` and standard errors without.
    alpha : float
        One minus the coverage of the intervals.
    r2 : bool
        Whether to show R² and ICC. For some generalized models this needs a further fit.

    Returns
    -------
    ModelTable
        It prints as text, and as HTML in a notebook; ``to_markdown()``, ``to_latex()``,
        ``to_html()``, ``to_word(path)`` are its other forms, `to_frame` has the numbers.

    Raises
    ------
    NotFittedError
        A model is not fitted.
    OptionError
        An option does not suit the models, or exponentials of coefficients have no meaning.

    See Also
    --------
    lrtest, information_criteria : Comparisons of models.
    tidy, glance : The numbers of one model.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m0 = mm.lmm("Reaction ~ 1 + Days + (1 | Subject)", sleep)
    >>> m1 = mm.lmm("Reaction ~ 1 + Days + (1 + Days | Subject)", sleep)
    >>> print(mm.modeltable(m0, m1, names=["Intercepts", "Slopes"], stars=True))
    Linear mixed models
    ─────────────────────────────────────────────────────────────
                                        Intercepts      Slopes
                                             Coef.       Coef.
    ─────────────────────────────────────────────────────────────
    Fixed effects
      (Intercept)                          251.405***  251.405***
                                            (9.506)     (6.632)
      Days                                  10.467***   10.467***
                                            (0.802)     (1.502)
    Random effects
      Subject: SD (Intercept)                36.01       23.78
      Subject: SD Days                                    5.72
      Subject: corr. (Intercept), Days                   +0.08
      Residual SD                            30.90       25.59
    Model
      R² marginal                            0.288       0.288
      R² conditional                         0.698       0.793
      ICC                                    0.576       0.709
      Observations                             180         180
      Levels of Subject                         18          18
      logLik                               -897.04     -875.97
      AIC                                  1802.08     1763.94
      BIC                                  1814.85     1783.10
      Fitted by                                 ML          ML
    ─────────────────────────────────────────────────────────────
     Intercepts: Reaction ~ 1 + Days + (1 | Subject)
     Slopes: Reaction ~ 1 + Days + (1 + Days | Subject)
     Standard errors in parentheses.
     * p < 0.05, ** p < 0.01, *** p < 0.001. Tests: Satterthwaite.
    """
    if not models:
        raise OptionError("modeltable needs at least one model")
    if isinstance(models[0], Iterable):
        raise OptionError("give the models one by one: modeltable(m0, m1), or modeltable(*models)")
    names = _names(models, names)
    for model, name in zip(models, names, strict=True):
        if not mixed_model(model).is_fitted:
            raise NotFittedError(f"{name} has not been fitted: call fit() first")
    chosen = _flags(exponentiate, names)
    bounds = _bounds(stars)
    below = (
        ("interval" if any(chosen) else "se") if below is None else one_of("below", below, BELOW)
    )
    alpha, r2 = valid_alpha(alpha), flag("r2", r2)
    columns = []
    for model, name, ratios in zip(models, names, chosen, strict=True):
        try:
            columns.append(
                ModelColumn.of(model, name, exponentiate=ratios, ddf=ddf, alpha=alpha, r2=r2)
            )
        except OptionError as error:
            raise OptionError(f"{name}: {error}") from None
    return ModelTable(_title(models), columns, below, bounds, alpha)


@dataclass(repr=False)
class ModelTable(Tabular):
    """Models side by side.

    Attributes
    ----------
    title : str
    columns : list of ModelColumn
        The numbers of each model.
    below : str
        What stands below each estimate.
    stars : dict of str to float
        Marks of p-values, and their bounds.
    alpha : float
        One minus the coverage of the intervals.
    """

    title: str
    columns: list[ModelColumn]
    below: str = "se"
    stars: dict[str, float] = field(default_factory=dict)
    alpha: float = 0.05

    def to_frame(self) -> pd.DataFrame:
        """The unrounded numbers.

        Returns
        -------
        pandas.DataFrame
            ``part`` (``fixed``, ``random`` or ``model``), ``term``, ``statistic``, and a column
            for each model: NaN or None where a model has no such number.
        """
        import pandas as pd

        lines: dict[tuple[str, str, str], dict[str, Any]] = {}
        for column in self.columns:
            for term, row in column.coefficients.iterrows():
                for statistic, value in row.items():
                    lines.setdefault(("fixed", term, statistic), {})[column.name] = value
            for label, value in (column.deviations | column.correlations).items():
                kind = "sd" if label in column.deviations else "corr"
                lines.setdefault(("random", label, kind), {})[column.name] = value
            for label, value in column.statistics.items():
                lines.setdefault(("model", label, ""), {})[column.name] = value
        order = ["fixed", "random", "model"]
        keys = sorted(lines, key=lambda key: order.index(key[0]))
        names = [column.name for column in self.columns]
        frame = pd.DataFrame([[lines[key].get(name) for name in names] for key in keys])
        frame.columns = names
        index = pd.DataFrame(keys, columns=["part", "term", "statistic"])
        return pd.concat([index, frame], axis=1)

    def _report(self) -> Report:
        rows, sections = [], {}
        parts = {
            "Fixed effects": self._fixed(),
            "Random effects": self._random(),
            "Model": self._statistics(),
        }
        for heading, lines in parts.items():
            if lines:
                sections[len(rows)] = heading
                rows += lines
        header = ["", *(column.name for column in self.columns)]
        second = ["", *(column.heading for column in self.columns)]
        if not any(len(column.coefficients) for column in self.columns):
            second = []
        table = Table(header, rows, sections=sections, second=second)
        return Report(self.title, tables=[table], notes=self._notes())

    # ---- the rows -------------------------------------------------------------------------------

    def _fixed(self) -> list[list[str]]:
        """Two rows for each coefficient: the estimates, and what stands below them."""
        import pandas as pd

        terms = _union(column.coefficients.index for column in self.columns)
        frames = [column.coefficients.reindex(terms) for column in self.columns]
        each = {n: pd.concat([f[n] for f in frames], axis=1).to_numpy() for n in frames[0]}
        texts = self._of_estimates(each)
        rows = []
        for i, term in enumerate(terms):
            first, second = [term], [""]
            for j, column in enumerate(self.columns):
                if np.isnan(each["estimate"][i, j]):
                    first.append(MISSING if term in column.coefficients.index else "")
                    second.append("")
                    continue
                first.append(Hanging(texts["estimate"][i, j], self._mark(each["pvalue"][i, j])))
                second.append(self._beneath(texts, each["pvalue"], i, j))
            rows += [first, second] if any(second) else [first]
        return rows

    def _of_estimates(self, each: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Estimates, standard errors and limits as text.

        Those of models of one kind have equally many decimals or, if they need too many digits
        for that, those in each row.
        """
        errors, nothing = each["se"], np.zeros_like(each["se"])
        measured = [(each["estimate"], errors)]
        measured += [(errors, nothing)] if self.below == "se" else []
        decimals = self._decimals(measured)
        return {name: _texts(each[name], errors, decimals) for name in each if name != "pvalue"}

    def _decimals(self, measured: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Numbers of decimals for each row and model, from values and their errors; NaN: none."""
        values, errors = (np.stack(part) for part in zip(*measured, strict=True))
        decimals = np.full(values.shape[1:], np.nan)
        kinds = [column.kind for column in self.columns]
        for kind in set(kinds):
            same = [j for j, other in enumerate(kinds) if other == kind]
            joint = common_decimals(values[:, :, same], DIGITS, errors[:, :, same])
            for i in range(len(decimals)):
                row = joint
                if row is None:
                    row = common_decimals(values[:, i, same], DIGITS, errors[:, i, same])
                decimals[i, same] = np.nan if row is None else row
        return decimals

    def _beneath(self, texts, pvalues, i: int, j: int) -> str:
        """What stands below an estimate."""
        if self.below == "none":
            return ""
        if self.below == "se":
            return Hanging(f"({texts['se'][i, j]}", ")")
        if self.below == "interval":
            return Hanging(f"[{texts['lower'][i, j]}, {texts['upper'][i, j]}", "]")
        p = pvalues[i, j]
        return Hanging("(p < 0.001" if p < 0.001 else f"(p = {fixed(p, 3)}", ")")

    def _mark(self, p: float) -> str:
        """The mark of a p-value: that of the smallest bound that it is below."""
        below = [(bound, mark) for mark, bound in self.stars.items() if p < bound]
        return min(below)[1] if below else ""

    def _random(self) -> list[list[str]]:
        """Standard deviations and correlations, those of one factor together."""
        labels = _union(column.deviations for column in self.columns)
        values = np.array(
            [[column.deviations.get(n, np.nan) for column in self.columns] for n in labels]
        ).reshape(len(labels), len(self.columns))
        errors = np.zeros_like(values)
        texts = _texts(values, errors, self._decimals([(values, errors)]))
        texts[np.isnan(values)] = ""
        rows = [[label, *line] for label, line in zip(labels, texts, strict=True)]
        for label in _union(column.correlations for column in self.columns):
            given = [column.correlations for column in self.columns]
            rows.append([label, *(correlation(c[label]) if label in c else "" for c in given)])
        factors = [*_union([row[0].partition(": ")[0]] for row in rows if row[0] != RESIDUAL)]
        return sorted(rows, key=lambda row: [*factors, RESIDUAL].index(row[0].partition(": ")[0]))

    def _statistics(self) -> list[list[str]]:
        """Shares of variance, numbers of rows and levels, criteria and kinds of models."""
        rows = []
        labels = _union(column.statistics for column in self.columns)
        for label in sorted(labels, key=_place):
            values = [column.statistics.get(label) for column in self.columns]
            if label in _USUAL and set(values) <= {_USUAL[label] or values[0]}:
                continue
            rows.append([label, *(_statistic(label, value) for value in values)])
        return rows

    # ---- the notes ------------------------------------------------------------------------------

    def _notes(self) -> list[str]:
        columns = self.columns
        notes = [f"{column.name}: {column.fit.text}" for column in columns]
        methods = _union([column.method] for column in columns)
        how = " and ".join(methods)
        if self.below == "se":
            notes.append("Standard errors in parentheses.")
        if self.below == "interval":
            notes.append(f"{100 * (1 - self.alpha):g} % intervals in brackets ({how}).")
        if self.below == "p" or self.stars:
            marks = sorted(self.stars.items(), key=lambda item: -item[1])
            bounds = ", ".join(f"{mark} p < {bound:g}" for mark, bound in marks)
            notes.append(f"{bounds}. Tests: {how}." if bounds else f"Tests: {how}.")
        notes += [f"{column.name}: {note}" for column in columns for note in column.notes]
        if reasons := _why_criteria_differ(columns):
            notes.append(f"logLik, AIC and BIC cannot be compared: {'; '.join(reasons)}.")
        return notes


def _why_criteria_differ(columns: list[ModelColumn]) -> list[str]:
    """Why the criteria of the models cannot be compared; empty if they can."""
    fits, reasons = [column.fit for column in columns], []
    if len({fit.nobs for fit in fits}) > 1:
        counts = ", ".join(str(fit.nobs) for fit in fits)
        reasons.append(f"the models have different numbers of observations ({counts})")
    if len({fit.reml for fit in fits}) > 1:
        reasons.append("some are fitted by REML, others by maximum likelihood")
    if reasons:
        return reasons
    try:
        refuse_different_data(fits)
        refuse_different_criteria(fits)
    except (DataError, OptionError) as error:
        return [str(error)]
    return []


def _statistic(label: str, value) -> str:
    """A statistic as text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if label == "Shape":
        return uniform([value], 3)[0]
    return fixed(value, _DECIMALS[label]) if label in _DECIMALS else str(value)


def _texts(values: np.ndarray, errors: np.ndarray, decimals: np.ndarray) -> np.ndarray:
    """Numbers as text, with given numbers of decimals; NaN for exponents."""
    texts = np.empty(values.shape, dtype=object)
    for place, value in np.ndenumerate(values):
        number = decimals[place]
        if np.isnan(number):
            texts[place] = scientific(float(value), float(errors[place]), DIGITS)
        else:
            texts[place] = fixed(float(value), int(number))
    return texts


def _place(label: str) -> int:
    """Where the row of a statistic stands."""
    return _ORDER.index("Levels" if label.startswith("Levels of ") else label)


def _union(groups) -> list:
    """The elements of all groups, each once, in the order of their first occurrence."""
    return list(dict.fromkeys(label for group in groups for label in group))


def _title(models) -> str:
    linear = [model.is_linear for model in models]
    kind = "Linear mixed" if all(linear) else "Mixed" if any(linear) else "Generalized linear mixed"
    return f"{kind} model{'s' if len(models) > 1 else ''}"


def _names(models, names) -> list[str]:
    """The names of the models, each of which must be another."""
    if names is None:
        return [f"m{i}" for i in range(len(models))]
    names = name_list("names", names)
    if len(names) != len(models) or len(set(names)) < len(names):
        raise OptionError(
            f"names must be {len(models)} different names, one for each model, not {shown(names)}"
        )
    return names


def _flags(exponentiate, names: list[str]) -> list[bool]:
    """Whether each model is shown by exponentials of its coefficients."""
    if isinstance(exponentiate, Iterable) and not isinstance(exponentiate, str):
        flags = [flag("exponentiate", value) for value in exponentiate]
        if len(flags) != len(names):
            raise OptionError(
                f"exponentiate must be True, False, or a list of {len(names)} of them"
            )
        return flags
    return [flag("exponentiate", exponentiate)] * len(names)


def _bounds(stars) -> dict[str, float]:
    """Marks of p-values and their bounds."""
    if not isinstance(stars, Mapping):
        return STARS if flag("stars", stars) else {}
    if not all(isinstance(mark, str) and mark for mark in stars):
        raise OptionError(
            f"stars must be True, False, or a dict of marks and bounds, not {stars!r}"
        )
    try:
        return {mark: valid_alpha(bound) for mark, bound in stars.items()}
    except OptionError:
        raise OptionError(f"the bounds of stars must be between 0 and 1, not {stars!r}") from None
