"""`Frames`: frames, or dicts of arrays, that an iterable gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from numbamm.errors import DataError
from numbamm.sources.source import Source


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
        from numbamm.formula.columns import Table  # data in memory do not need it here

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
        if not hasattr(begun, "__iter__") or isinstance(begun, str | bytes) or is_frame(begun):
            raise DataError(
                f"the function that was given as data returns {type(begun).__name__}, not an "
                "iterable of frames: let it return a generator, or a list of frames"
            )
        return iter(begun)


def is_frame(data: Any) -> bool:
    """Whether data are in memory, or nothing that could be read."""
    if isinstance(data, Mapping) or hasattr(data, "columns") or hasattr(data, "shape"):
        return True
    return any(hasattr(data, name) for name in ("__narwhals_dataframe__", "__narwhals_lazyframe__"))
