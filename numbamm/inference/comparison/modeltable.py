"""`modeltable`: models side by side, as papers show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, NotFittedError, OptionError
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.comparison.modelcolumn import ModelColumn
from numbamm.inference.comparison.modelrows import (
    fixed_rows,
    random_rows,
    statistic_rows,
    union,
)
from numbamm.inference.comparison.nested import refuse_different_criteria, refuse_different_data
from numbamm.inference.comparison.rowchoice import PARTS, RowChoice
from numbamm.options import flag, name_list, one_of, shown, valid_alpha
from numbamm.report.content import Report, Table, shown_name
from numbamm.report.digits import coverage
from numbamm.report.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd

#: Marks of p-values below these bounds.
STARS = {"***": 0.001, "**": 0.01, "*": 0.05}
#: What may stand below each estimate.
BELOW = ("se", "interval", "p", "none")


@names_arguments
def modeltable(
    *models,
    names: Iterable[str] | None = None,
    exponentiate: bool | Iterable[bool] = False,
    stars: bool | Mapping[str, float] = False,
    ddf: str | None = None,
    below: str | None = None,
    alpha: float = 0.05,
    r2: bool = True,
    labels: Mapping[str, str] | None = None,
    rows: Iterable[str] | None = None,
    drop: Iterable[str] | None = None,
    title: str | None = None,
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
    labels : dict of str to str, optional
        What coefficients and grouping factors are called, wherever they appear, by their names:
        ``{"Days": "Days of deprivation", "Subject": "Participant"}``. Coefficients of different
        models stand in one row if they have one label. Other rows are renamed by their whole
        label, ``{"Residual SD": "σ"}``.
    rows : list of str, optional
        The rows to show, in their order, by names of coefficients or labels; ``*`` stands for any
        characters. ``"fixed"``, ``"random"`` and ``"model"`` are all rows of that part. All rows,
        if not given.
    drop : list of str, optional
        Rows to leave out, named in the same way: ``["situ*", "ICC"]``.
    title : str, optional
        Stands above the table; the kind of the models, if not given.

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
        An option does not suit the models, or exponentials of coefficients have no meaning; or
        `labels`, `rows` or `drop` name no row.

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
     * p < 0.05, ** p < 0.01, *** p < 0.001. Tests: Wald.
    >>> labels = {"Days": "Day", "Subject": "Person", "Observations": "N"}
    >>> rows = ["Days", "Person*", "N"]
    >>> print(mm.modeltable(m1, labels=labels, rows=rows, title="Reaction times"))
    Reaction times
    ────────────────────────────────────────
                                         m0
                                      Coef.
    ────────────────────────────────────────
    Fixed effects
      Day                             10.47
                                      (1.50)
    Random effects
      Person: SD (Intercept)          23.78
      Person: SD Day                   5.72
      Person: corr. (Intercept), Day  +0.08
    Model
      N                                 180
    ────────────────────────────────────────
     m0: Reaction ~ 1 + Days + (1 + Days | Subject)
     Standard errors in parentheses.
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
    choice = RowChoice.of(labels, rows, drop)
    if not isinstance(title, str | None):
        raise OptionError(f"title must be a text, not {shown(title)}")
    options: dict[str, Any] = {"ddf": ddf, "alpha": alpha, "r2": r2, "word": choice.word}
    columns = []
    for model, name, ratios in zip(models, names, chosen, strict=True):
        try:
            columns.append(ModelColumn.of(model, name, exponentiate=ratios, **options))
        except OptionError as error:
            raise OptionError(f"{name}: {error}") from None
    title = _title(models) if title is None else title
    arranged = choice.arranged(columns)
    return ModelTable(title, columns, below, bounds, alpha, arranged, choice.labels)


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
    rows : dict of str to list of str
        The rows of each part, ``fixed``, ``random`` and ``model``, in their order.
    labels : dict of str to str
        What some rows are called.

    See Also
    --------
    modeltable : Makes one.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> table = mm.modeltable(m, m.update(reml=True), names=["ML", "REML"])
    >>> [column.name for column in table.columns]
    ['ML', 'REML']
    """

    title: str
    columns: list[ModelColumn]
    below: str = "se"
    stars: dict[str, float] = field(default_factory=dict)
    alpha: float = 0.05
    rows: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """The unrounded numbers.

        Returns
        -------
        pandas.DataFrame
            ``part`` (``fixed``, ``random`` or ``model``), ``term``, ``statistic``, and a column
            for each model: NaN or None where a model has no such number.

        See Also
        --------
        Tabular.to_latex, Tabular.to_markdown

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> frame = mm.modeltable(m, m.update(reml=True), names=["ML", "REML"]).to_frame()
        >>> frame.iloc[0][["term", "ML", "REML"]].to_list()
        ['(Intercept)', 1527.5, 1527.5]
        """
        import pandas as pd

        lines: dict[tuple[str, str, str], dict[str, Any]] = {}
        for part, labels in self.rows.items():
            for label in labels:
                for column in self.columns:
                    for statistic, value in column.numbers(part, label).items():
                        key = part, self.labels.get(label, label), statistic
                        lines.setdefault(key, {})[column.name] = value
        names = [column.name for column in self.columns]
        frame = pd.DataFrame([[line.get(name) for name in names] for line in lines.values()])
        frame.columns = names
        index = pd.DataFrame([*lines], columns=["part", "term", "statistic"])
        return pd.concat([index, frame], axis=1)

    def _report(self) -> Report:
        rows, sections = [], {}
        parts = {
            "fixed": fixed_rows(self.columns, self.rows["fixed"], self.below, self.stars),
            "random": random_rows(self.columns, self.rows["random"]),
            "model": statistic_rows(self.columns, self.rows["model"]),
        }
        for part, lines in parts.items():
            if lines:
                sections[len(rows)] = PARTS[part]
                rows += [[self.labels.get(label, label), *cells] for label, *cells in lines]
        header = ["", *(column.name for column in self.columns)]
        second = ["", *(column.heading for column in self.columns)]
        if not self.rows["fixed"]:
            second = []
        table = Table(header, rows, sections=sections, second=second)
        return Report(self.title, tables=[table], notes=self._notes())

    def _notes(self) -> list[str]:
        columns = self.columns
        notes = [f"{column.name}: {column.fit.text}" for column in columns]
        methods = union([column.method] for column in columns)
        how = " and ".join(methods)
        if not self.rows["fixed"]:
            return [*notes, *self._notes_of_models()]
        if self.below == "se":
            notes.append("Standard errors in parentheses.")
        if self.below == "interval":
            notes.append(f"{coverage(self.alpha)} intervals in brackets ({how}).")
        if self.below == "p" or self.stars:
            marks = sorted(self.stars.items(), key=lambda item: -item[1])
            bounds = ", ".join(f"{mark} p < {bound:g}" for mark, bound in marks)
            notes.append(f"{bounds}. Tests: {how}." if bounds else f"Tests: {how}.")
        return [*notes, *self._notes_of_models()]

    def _notes_of_models(self) -> list[str]:
        """Notes on single models and on their criteria."""
        names: dict[str, list[str]] = {}  # a note that several have stands once
        for column in self.columns:
            shown = "(Intercept)" in map(shown_name, self._shown_coefficients(column))
            for note in [*(column.of_intercept if shown else []), *column.notes]:
                names.setdefault(note, []).append(column.name)
        notes = [f"{', '.join(of)}: {note}" for note, of in names.items()]
        criteria = {"logLik", "AIC", "BIC"} & {*self.rows["model"]}
        if criteria and (reasons := _why_criteria_differ(self.columns)):
            notes.append(f"logLik, AIC and BIC cannot be compared: {'; '.join(reasons)}.")
        return notes

    def _shown_coefficients(self, column: ModelColumn) -> list[str]:
        """The model's names of the coefficients that are shown."""
        labels = dict(zip(column.coefficient_names, column.coefficients.index, strict=True))
        return [name for name, label in labels.items() if label in self.rows["fixed"]]


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


def _title(models) -> str:
    linear = [model.is_linear for model in models]
    kind = "Linear mixed" if all(linear) else "Mixed" if any(linear) else "Generalized linear mixed"
    if all(model.has_categories for model in models):
        kind = "Cumulative link mixed"
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
