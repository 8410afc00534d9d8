"""`Partitions`: a Dask frame, whose partitions are summarised where they lie."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from numbamm.errors import NumbammError
from numbamm.sources.source import S, Source, Summary

#: Summaries that one task merges.
FAN_IN = 8


class Partitions(Source):
    """A Dask DataFrame.

    Each pass ships to every partition what the summary knows of the model (formula, levels, a
    basis: no rows), computes the partition's summary there, and merges summaries by a tree. What
    comes back is one summary. A task whose worker dies is run again elsewhere by Dask.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
    """

    name = "the Dask frame"

    def __init__(self, frame: Any) -> None:
        self.frame = frame

    def names(self) -> list[str]:
        return list(self.frame.columns)

    def _needed(self, columns: Collection[str] | None) -> Any:
        if columns is None:
            return self.frame
        return self.frame[[name for name in self.frame.columns if name in columns]]

    def kept(self, columns: Collection[str]) -> Source:
        """Let the workers of a cluster hold the columns, which Dask spills to their disks."""
        try:
            from distributed import get_client

            get_client()
        except (ImportError, ValueError):  # no cluster: this process would have to hold them
            return self
        return Partitions(self._needed(columns).persist())

    def chunks(self, columns: Collection[str] | None = None) -> Iterator[Any]:
        for part in self._needed(columns).to_delayed():  # one after the other, as memory allows
            yield part.compute()

    def gather(self, summary: S, progress: bool | None, what: str) -> S:
        import dask

        reading, empty = summary.reading, dask.delayed(summary.empty(), pure=False)
        parts = self._needed(reading.columns).to_delayed()
        name = what.replace(" ", "-")
        summarise = dask.delayed(_summarise, name=name, pure=False)
        merge = dask.delayed(_merge, name=f"{name}-merge", pure=False)
        layer = [summarise(empty, part, number) for number, part in enumerate(parts)]
        while len(layer) > 1:
            groups = [layer[i : i + FAN_IN] for i in range(0, len(layer), FAN_IN)]
            layer = [merge(group) for group in groups]
        (found,) = dask.compute(*layer) if layer else (summary,)
        if isinstance(found, NumbammError):
            raise found
        return summary.merge(found)


def _summarise(empty: Summary, part: Any, number: int) -> Summary | NumbammError:
    """The summary of one partition, or what is wrong with it."""
    summary = empty.empty()
    try:
        return summary.add(summary.reading.chunk(part, number=number, unit="partition"))
    except NumbammError as error:
        return error


def _merge(parts: list[Summary | NumbammError]) -> Summary | NumbammError:
    """The summary of several partitions; the first of their errors, if there is one."""
    total = None
    try:
        for part in parts:
            if isinstance(part, NumbammError):
                return part
            total = part.empty().merge(part) if total is None else total.merge(part)
    except NumbammError as error:
        return error
    return total
