"""`TableFrame`: a pandas frame that leaves as a table, as results do."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from numbamm.report.content import Report, of_frame
from numbamm.report.tabular import Tabular


class TableFrame(Tabular, pd.DataFrame):
    """A pandas frame whose `to_html`, `to_markdown` and `to_latex` are those of results.

    With arguments of pandas these methods are those of pandas. What is computed from the frame is
    a plain frame, and it prints as pandas prints it, long ones in part.

    Parameters
    ----------
    frame : pandas.DataFrame
    title : str
        Title of the table.
    """

    _metadata: ClassVar = ["title"]
    title: str

    def __init__(self, frame, title: str = "") -> None:
        super().__init__(frame)
        self.title = title

    @property
    def _constructor(self):
        return pd.DataFrame

    __repr__ = pd.DataFrame.__repr__
    _repr_html_ = pd.DataFrame._repr_html_

    def _report(self) -> Report:
        labelled = self.set_axis(self.index.map(str))  # the numbers of rows are shown, too
        return Report(self.title, tables=[of_frame(labelled)])

    def to_frame(self) -> pd.DataFrame:
        """A plain copy of the frame."""
        return pd.DataFrame(self)

    def to_html(self, *args: Any, **kwargs: Any) -> Any:
        """The table as HTML, see `Tabular.to_html`; with arguments, as pandas has it."""
        return pd.DataFrame.to_html(self, *args, **kwargs) if args or kwargs else super().to_html()

    def to_markdown(self, *args: Any, **kwargs: Any) -> Any:
        """The table as Markdown, see `Tabular.to_markdown`; with arguments, as pandas has it."""
        if args or kwargs:
            return pd.DataFrame.to_markdown(self, *args, **kwargs)
        return super().to_markdown()

    def to_latex(self, *args: Any, **kwargs: Any) -> Any:
        """The table as LaTeX, see `Tabular.to_latex`; with other arguments, as pandas has it."""
        if not args and set(kwargs) <= {"caption", "label", "floating"}:
            return super().to_latex(**kwargs)
        return pd.DataFrame.to_latex(self, *args, **kwargs)
