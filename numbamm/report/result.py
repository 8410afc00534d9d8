"""`Result` and `Summary`: objects that print as tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from numbamm.report.content import Report, of_result
from numbamm.report.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd


@dataclass(repr=False)
class Result(Tabular):
    """The result of an inference: a frame of numbers that prints as a table.

    Attributes
    ----------
    title : str
        Title of the table.
    frame : pandas.DataFrame
        The unrounded numbers; `to_frame` returns a copy.
    notes : list of str
        Sentences that are printed below the table.
    hidden : tuple of str
        Columns of the frame that the table does not show.
    headings : dict of str to str
        Headings of columns, where they are not the usual ones.

    See Also
    --------
    anova, coef_table, emmeans : Some that return one.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> table = m.r2()
    >>> print(table.title)
    Nakagawa's R²
    >>> table.to_frame().round(2)["R2"].to_dict()
    {'marginal': 0.29, 'conditional': 0.79}
    """

    title: str
    frame: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    hidden: tuple[str, ...] = ()
    headings: dict[str, str] = field(default_factory=dict, kw_only=True)

    def to_frame(self) -> pd.DataFrame:
        """A copy of the frame of unrounded numbers."""
        return self.frame.copy()

    def shown(self) -> pd.DataFrame:
        """The columns of the frame that the table shows.

        Returns
        -------
        pandas.DataFrame
            Without the columns `hidden`.

        See Also
        --------
        Tabular.to_frame : All columns.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.icc().shown().columns.to_list()
        ['adjusted', 'unadjusted']
        """
        return self.frame.drop(columns=[*self.hidden])

    def _report(self) -> Report:
        return Report(self.title, tables=[of_result(self)], notes=self.notes)


class Summary(Tabular):
    """The table of a fitted model: text when printed, HTML in a notebook.

    Attributes
    ----------
    content : Report
        Titles, cells and notes.
    numbers : callable
        Returns the frame of coefficients and variance components: few ask for it.

    See Also
    --------
    LinearMixedModel.summary : Makes one.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> print(str(m.summary()).splitlines()[1])
     Reaction ~ Days + (Days | Subject)
    """

    def __init__(self, content: Report, numbers: Callable[[], pd.DataFrame]) -> None:
        self.content, self.numbers = content, numbers

    def to_frame(self) -> pd.DataFrame:
        """Coefficients and variance components, a row each, as from `tidy`."""
        return self.numbers()

    def _report(self) -> Report:
        return self.content
