"""`Source`: rows that come in chunks, and can be read again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from numbamm.sources.reading import Chunk, Reading

#: Rows of a chunk, where the source leaves that to us.
CHUNK = 2**18


class Summary(Protocol):
    """What a pass over the rows computes; summaries of parts of the rows are merged."""

    @property
    def reading(self) -> Reading:
        """How the rows are read."""

    def empty(self) -> Self:
        """A summary of no rows."""

    def add(self, chunk: Chunk) -> Self:
        """Look at a chunk; returns the summary itself."""

    def merge(self, other: Self) -> Self:
        """Add what a summary of later rows has found; returns the summary itself."""


S = TypeVar("S", bound=Summary)


class Source:
    """Rows that come in chunks, and can be read again.

    Attributes
    ----------
    name : str
        What messages call it.
    nrows : int or None
        The number of rows, if it is known before they are read.
    """

    name: str = "the data"
    nrows: int | None = None

    def chunks(self, columns: Collection[str] | None = None) -> Iterator[Any]:
        """Read all rows, a frame or a dict of arrays at a time, in their order.

        Parameters
        ----------
        columns : collection of str, optional
            The columns that are needed; there may be others.
        """
        raise NotImplementedError

    def names(self) -> list[str]:
        """Names of the columns."""
        raise NotImplementedError

    def kept(self, columns: Collection[str]) -> Source:
        """The source for many passes over some columns; it may hold them nearer."""
        return self

    def gather(self, summary: S, progress: bool | None, what: str) -> S:
        """Let a summary see all rows; returns it.

        Parameters
        ----------
        summary : Summary
        progress : bool or None
            Whether to show a bar by rows.
        what : str
            What the bar calls this pass.
        """
        for chunk in summary.reading.chunks(self, progress, what):
            summary.add(chunk)
        return summary
