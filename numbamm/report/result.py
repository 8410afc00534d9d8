"""`Result` and `Summary`: objects that print as tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from numbamm.report import html, text
from numbamm.report.content import Report

if TYPE_CHECKING:
    import pandas as pd


@dataclass(repr=False)
class Result:
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
    """

    title: str
    frame: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    hidden: tuple[str, ...] = ()
    headings: dict[str, str] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """A copy of the frame of unrounded numbers."""
        return self.frame.copy()

    def shown(self) -> pd.DataFrame:
        """The columns of the frame that the table shows."""
        return self.frame.drop(columns=[*self.hidden])

    def __repr__(self) -> str:
        return text.result_table(self)

    def _repr_html_(self) -> str:
        return html.result_table(self)


class Summary:
    """The table of a fitted model: text when printed, HTML in a notebook.

    Attributes
    ----------
    content : Report
        Titles, cells and notes.
    """

    def __init__(self, content: Report) -> None:
        self.content = content

    def __repr__(self) -> str:
        return text.report_table(self.content)

    def _repr_html_(self) -> str:
        return html.report_table(self.content)
