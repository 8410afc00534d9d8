"""`Lazy`: a LazyFrame of polars, of which no more than a chunk is collected at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from numbamm.sources.source import CHUNK, Source


class Lazy(Source):
    """A polars LazyFrame; its query is run anew in every pass."""

    name = "the lazy frame"

    def __init__(self, frame: Any) -> None:
        self.frame = frame

    def names(self) -> list[str]:
        return list(self.frame.collect_schema().names())

    def chunks(self, columns: Collection[str] | None = None) -> Iterator[Any]:
        frame = self.frame
        if columns is not None:
            frame = frame.select([name for name in self.names() if name in columns])
        if hasattr(frame, "collect_batches"):
            yield from frame.collect_batches(chunk_size=CHUNK, maintain_order=True)
            return
        start = 0
        while (chunk := frame.slice(start, CHUNK).collect()).height:  # before polars 1.34
            yield chunk
            start += CHUNK
