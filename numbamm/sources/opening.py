"""`open_source`: the source behind data that stream."""

from __future__ import annotations

from os import PathLike
from typing import Any

from numbamm.sources.iterables import Frames, is_frame
from numbamm.sources.source import Source


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
    if is_frame(data):
        return None
    if callable(data) or hasattr(data, "__iter__"):
        return Frames(data)
    return None
