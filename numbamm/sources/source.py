"""`Source`: rows that come in chunks, and can be read again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol, Self

from numbamm.errors import DataError
from numbamm.formula.columns import Table

if TYPE_CHECKING:
    from numbamm.sources.reading import Chunk, Reading

#: Rows of a chunk, where the source leaves that to us.
CHUNK = 2**18


class Summary(Protocol):
    """What a pass over the rows computes; summaries of parts of the rows are merged."""

    reading: Reading

    def empty(self) -> Self:
        """A summary of no rows."""

    def add(self, chunk: Chunk) -> Self:
        """Look at a chunk; returns the summary itself."""

    def merge(self, other: Self) -> Self:
        """Add what a summary of later rows has found; returns the summary itself."""


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

    def gather(self, summary: Summary, progress: bool | None, what: str) -> Summary:
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


class Frames(Source):
    """Frames, or dicts of arrays, from an iterable or from a function that begins one.

    Raises
    ------
    DataError
        If the iterable is an iterator, which is exhausted after a first pass.
    """

    def __init__(self, frames: Iterable | Callable[[], Iterable]) -> None:
        if not callable(frames) and iter(frames) is frames:
            raise DataError(
                f"the data are an iterator ({type(frames).__name__}), which can be read once "
                "only, and a fit reads them several times: give a list of frames, or a function "
                "that begins the iteration anew, as in mm.lmm(formula, lambda: read_chunks(...))"
            )
        self.frames = frames
        self._begun: Iterator | None = None

    def __getstate__(self) -> dict:
        return {**vars(self), "_begun": None}

    def names(self) -> list[str]:
        begun = self._iterate()
        first = next(begun, None)
        if first is None:
            raise DataError("the data have no chunks: check how they were read or selected")
        self._begun = chain([first], begun)  # the first pass goes on from here
        return Table(first).names

    def chunks(self, columns: Collection[str] | None = None) -> Iterator[Any]:
        begun, self._begun = self._begun, None
        return self._iterate() if begun is None else begun

    def _iterate(self) -> Iterator[Any]:
        begun = self.frames() if callable(self.frames) else self.frames
        if not hasattr(begun, "__iter__") or isinstance(begun, str | bytes) or _is_frame(begun):
            raise DataError(
                f"the function that was given as data returns {type(begun).__name__}, not an "
                "iterable of frames: let it return a generator, or a list of frames"
            )
        return iter(begun)


def open_source(data: Any) -> Source | None:
    """The source behind data that stream; None for a frame or a dict of arrays in memory.

    Parameters
    ----------
    data
        A path to a Parquet file or folder, a pyarrow dataset, a polars LazyFrame, a Dask frame,
        an iterable of frames or a function that returns one.

    Raises
    ------
    DataError
        If a path does not exist, or an iterable can be read only once.
    """
    if data is None or isinstance(data, Source):
        return data
    module = type(data).__module__
    if isinstance(data, str | PathLike) or module == "pyarrow._dataset":
        from numbamm.sources.parquet import Dataset

        return Dataset(data)
    if module.startswith("polars.lazyframe"):
        from numbamm.sources.lazy import Lazy

        return Lazy(data)
    if module.startswith("dask.") or module.startswith("dask_expr."):
        from numbamm.sources.partitions import Partitions

        return Partitions(data)
    if _is_frame(data):
        return None
    if callable(data) or hasattr(data, "__iter__"):
        return Frames(data)
    return None


def _is_frame(data: Any) -> bool:
    """Whether data are in memory, or nothing that could be read."""
    if isinstance(data, Mapping) or hasattr(data, "columns") or hasattr(data, "shape"):
        return True
    return any(hasattr(data, name) for name in ("__narwhals_dataframe__", "__narwhals_lazyframe__"))
