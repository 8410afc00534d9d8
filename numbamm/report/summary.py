"""`Summary`: the table of a fitted model, as text and, in a notebook, as HTML."""

from __future__ import annotations

from numbamm.report import html, text
from numbamm.report.content import Report


class Summary:
    """What a fitted model's table shows; printing it gives text, a notebook shows HTML.

    Attributes
    ----------
    content : Report
        Titles, cells and notes, before anyone decides how they look.
    """

    def __init__(self, content: Report) -> None:
        self.content = content

    def __repr__(self) -> str:
        return text.report_table(self.content)

    def _repr_html_(self) -> str:
        return html.report_table(self.content)
