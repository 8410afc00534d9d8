"""`TableFrame`, `EffectTable` and `Limits`: pandas frames that leave as tables, as results do."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, ClassVar, overload

import pandas as pd

from numbamm.report.content import Report, of_effects, of_frame
from numbamm.report.digits import coverage
from numbamm.report.tabular import Tabular


class TableFrame(Tabular, pd.DataFrame):
    """A pandas frame whose `to_html`, `to_markdown` and `to_latex` are those of results.

    With arguments of pandas these methods are those of pandas. What is computed from the frame is
    a plain frame. It prints as pandas prints it, long ones in part, but with all columns, unless
    pandas is told to show fewer.

    Parameters
    ----------
    frame : pandas.DataFrame
    title : str
        Title of the table.

    Attributes
    ----------
    numbered : bool
        Whether the table shows the numbers of rows.

    See Also
    --------
    tidy, glance : Return one.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> m.glance().to_markdown().splitlines()[2][:15]
    '| nobs | npar |'
    """

    #: Whether the table shows the numbers of rows.
    numbered: ClassVar = False

    _metadata: ClassVar = ["title"]
    title: str

    def __init__(self, frame, title: str = "") -> None:
        super().__init__(frame)
        self.title = title

    @property
    def _constructor(self):
        return pd.DataFrame

    def __repr__(self) -> str:
        most = pd.get_option("display.max_columns") or None  # 0: what the terminal has room for
        with pd.option_context("display.max_columns", most):
            return pd.DataFrame.__repr__(self)

    _repr_html_ = pd.DataFrame._repr_html_

    def _report(self) -> Report:
        frame = self.set_axis(self.index.map(str)) if self.numbered else self.to_frame()
        return Report(self.title, tables=[of_frame(frame)])

    def to_frame(self) -> pd.DataFrame:
        """A plain copy of the frame."""
        return pd.DataFrame(self)

    @overload
    def to_html(self) -> str: ...
    @overload
    def to_html(self, *args: Any, **kwargs: Any) -> Any: ...
    def to_html(self, *args: Any, **kwargs: Any) -> Any:
        """The table as HTML, see `Tabular.to_html`; with arguments, as pandas has it."""
        return pd.DataFrame.to_html(self, *args, **kwargs) if args or kwargs else super().to_html()

    @overload
    def to_markdown(self) -> str: ...
    @overload
    def to_markdown(self, *args: Any, **kwargs: Any) -> Any: ...
    def to_markdown(self, *args: Any, **kwargs: Any) -> Any:
        """The table as Markdown, see `Tabular.to_markdown`; with arguments, as pandas has it."""
        if args or kwargs:
            return pd.DataFrame.to_markdown(self, *args, **kwargs)
        return super().to_markdown()

    @overload
    def to_latex(
        self, *, caption: str | None = None, label: str | None = None, floating: bool = True
    ) -> str: ...
    @overload
    def to_latex(self, *args: Any, **kwargs: Any) -> Any: ...
    def to_latex(self, *args: Any, **kwargs: Any) -> Any:
        """The table as LaTeX, see `Tabular.to_latex`; with other arguments, as pandas has it."""
        if not args and set(kwargs) <= {"caption", "label", "floating"}:
            return super().to_latex(**kwargs)
        return pd.DataFrame.to_latex(self, *args, **kwargs)


class EffectTable(TableFrame):
    """Numbers by coefficient: effects of levels, or a matrix of covariances or correlations.

    Parameters
    ----------
    frame : pandas.DataFrame
    title : str
        Title of the table.

    See Also
    --------
    LinearMixedModel.cov_params, LinearMixedModel.ranef : Return them.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> print(m.corr_params().to_markdown().splitlines()[0])
    **Correlations of the fixed effects**
    """

    def _report(self) -> Report:
        return Report(self.title, tables=[of_effects(self.to_frame())])


class Limits(TableFrame):
    """Confidence limits in columns 0 and 1, as in statsmodels; the table says which is which.

    Parameters
    ----------
    frame : pandas.DataFrame
    title : str
        Title of the table, and of what is printed.
    notes : sequence of str
        Sentences below: why some parameters have no limits.

    See Also
    --------
    LinearMixedModel.conf_int, Profile.conf_int, Bootstrap.conf_int : Return them.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> m.conf_int().columns.to_list()
    [0, 1]
    """

    _metadata: ClassVar = ["title", "notes"]
    notes: list[str]

    def __init__(self, frame, title: str = "", notes: Sequence[str] = ()) -> None:
        super().__init__(frame, title)
        self.notes = list(notes)

    def _report(self) -> Report:
        frame = self.to_frame().set_axis(["lower", "upper"], axis=1)
        return Report(self.title, tables=[of_frame(frame)], notes=self.notes)

    def __repr__(self) -> str:
        return "\n".join([self.title, super().__repr__(), *(f" {note}" for note in self.notes)])

    def _repr_html_(self) -> str | None:
        frame = super()._repr_html_()
        if frame is None:  # pandas is set to print text
            return None
        notes = "<br>".join(map(escape, self.notes))
        return f"<p>{escape(self.title)}</p>{frame}{f'<p>{notes}</p>' if notes else ''}"


def limits_by(method: str, frame: pd.DataFrame, alpha: float, notes: Sequence[str] = ()) -> Limits:
    """Limits with a coverage of 1 - `alpha`, found by a method that the title names."""
    return Limits(frame, f"{coverage(alpha)} confidence intervals, {method}", notes)
