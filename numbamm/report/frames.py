"""`Frames`: frames by grouping factor, which print as tables."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from numbamm.report.content import Report, of_effects
from numbamm.report.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd


class Frames(Tabular, dict[str, "pd.DataFrame"]):
    """A dict of frames by grouping factor, each an `EffectTable`.

    Long frames are printed in part, as pandas prints them; the other forms of the table have all
    rows.

    Parameters
    ----------
    frames : dict of str to pandas.DataFrame
    title : str
        What the numbers are: the title of the table.

    See Also
    --------
    LinearMixedModel.coef, LinearMixedModel.condvar : Return them.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> frames = m.coef()
    >>> frames["Subject"].shape, frames.to_frame().index[0]
    ((18, 2), ('Subject', '308'))
    """

    def __init__(self, frames: Mapping[str, pd.DataFrame] | None = None, title: str = "") -> None:
        from numbamm.report.tableframe import EffectTable

        self.title = title
        super().__init__(
            {
                group: EffectTable(frame, f"{title} by {group}" if title else str(group))
                for group, frame in (frames or {}).items()
            }
        )

    def __reduce__(self):
        return Frames, (dict(self), self.title)

    def __repr__(self) -> str:
        return "\n\n".join(f"{group}\n{frame!r}" for group, frame in self.items())

    def _repr_html_(self) -> str:
        parts = (
            f"<p><b>{escape(group)}</b></p>{frame._repr_html_() or escape(repr(frame))}"
            for group, frame in self.items()
        )
        return "".join(parts)

    def _report(self) -> Report:
        tables = []
        for group, frame in self.items():
            tables.append(of_effects(frame))
            tables[-1].heading = group
        return Report(self.title, tables=tables)

    def to_frame(self) -> pd.DataFrame:
        """All frames in one, below each other; the first level of its index is the factor."""
        import pandas as pd

        return pd.concat(dict(self), names=["group"])
