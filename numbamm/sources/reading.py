"""`Reading`: how a model reads the chunks of a source, as the formula asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import DataError
from numbamm.formula.columns import Table
from numbamm.formula.right_side import Design
from numbamm.formula.used_rows import complete_rows, frame_of
from numbamm.progress import progress_bar
from numbamm.sources.source import Source


@dataclass
class Chunk:
    """The used rows of a chunk.

    Attributes
    ----------
    columns : dict of str → pandas.Series
        Without missing values; categorical columns keep categories that do not occur.
    rows : ndarray of int64, shape (n,)
        Positions of the used rows in all data.
    weights, offset : ndarray of float64, shape (n,), or None
        As arguments gave them; the formula's offsets are not in.
    first, nrows : int
        Position of the chunk's first row in all data, and the number of its rows.
    n_missing : int
        How many rows of the chunk miss a value.
    index : pandas.Index or None
        Index of the chunk's rows, if it is a pandas frame.
    data
        The chunk as it came.
    """

    columns: dict[str, pd.Series]
    rows: np.ndarray
    weights: np.ndarray | None
    offset: np.ndarray | None
    first: int
    nrows: int
    n_missing: int
    index: pd.Index | None
    data: Any = None

    @property
    def labels(self) -> pd.Index:
        """Labels of the chunk's rows: its own index, or positions in all data."""
        if self.index is not None:
            return self.index
        return pd.RangeIndex(self.first, self.first + self.nrows)


@dataclass
class Reading:
    """How a model reads the chunks of a source.

    Attributes
    ----------
    design : Design
    weights, offset : str or None
        Names of columns.
    two_level : bool
        Whether a categorical response of two levels is allowed.
    """

    design: Design
    weights: str | None
    offset: str | None
    two_level: bool

    @property
    def columns(self) -> set[str]:
        """The columns that are read."""
        design = self.design
        used = design.response_columns | design.fixed_columns | design.random_columns
        return used | {name for name in (self.weights, self.offset) if name is not None}

    def chunk(self, data: Any, first: int = 0, number: int = 0, unit: str = "chunk") -> Chunk:
        """Read one chunk.

        Parameters
        ----------
        data
            A frame, or a dict of arrays.
        first, number : int
            Position of its first row in all data, and its own among the chunks.
        unit : str
            What messages call it.

        Raises
        ------
        DataError
            If the chunk cannot be used; the message says which chunk it is.
        """
        try:
            table = Table(data)
            table.require(sorted(self.columns))
            columns, local, w, o, n_missing = complete_rows(
                self.design, table, self.weights, self.offset
            )
            return Chunk(
                frame_of(columns, local, all_levels=True),
                first + local,
                None if w is None else w[local],
                None if o is None else o[local],
                first,
                table.nrows,
                n_missing,
                table.index,
                data,
            )
        except DataError as error:
            raise DataError(f"{unit} {number} of the data: {error}") from error

    def chunks(self, source: Source, progress: bool | None, what: str) -> Iterator[Chunk]:
        """Read all chunks of a source that has them in this process, with a bar by rows.

        `what` names the pass on the bar.
        """
        first = 0
        bar = progress_bar(source.nrows, progress, "row", what)
        try:
            for number, data in enumerate(source.chunks(self.columns)):
                chunk = self.chunk(data, first, number)
                yield chunk
                first += chunk.nrows
                bar.update(chunk.nrows)
        finally:
            bar.close()
