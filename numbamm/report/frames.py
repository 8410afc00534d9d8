"""`Frames`: frames by grouping factor, which print as tables."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class Frames(dict[str, "pd.DataFrame"]):
    """A dict of frames by grouping factor; long frames are shown in part, as pandas shows them."""

    def __repr__(self) -> str:
        return "\n\n".join(f"{group}\n{frame!r}" for group, frame in self.items())

    def _repr_html_(self) -> str:
        parts = (
            f"<p><b>{escape(group)}</b></p>{frame._repr_html_() or escape(repr(frame))}"
            for group, frame in self.items()
        )
        return "".join(parts)
