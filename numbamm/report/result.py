"""`Result`: a frame of numbers with a title and notes, which prints itself as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from numbamm.report import html, text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(repr=False)
class Result:
    """What an inference returns: numbers for programs, a table for readers.

    Attributes
    ----------
    title : str
        What was computed.
    frame : pandas.DataFrame
        The numbers, unrounded; also by `to_frame`.
    notes : list of str
        What a reader should know besides.
    hidden : tuple of str
        Columns of the frame that the table leaves out.
    """

    title: str
    frame: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    hidden: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """The numbers as a frame of one's own."""
        return self.frame.copy()

    def shown(self) -> pd.DataFrame:
        """The frame as the table has it, before numbers are rounded."""
        return self.frame.drop(columns=[*self.hidden])

    def __repr__(self) -> str:
        return text.result_table(self)

    def _repr_html_(self) -> str:
        return html.result_table(self)
