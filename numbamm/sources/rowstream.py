"""`RowStream`: values for rows that stream, computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from typing import TYPE_CHECKING

from numbamm.completion import ForUsers
from numbamm.design.absent import Absent
from numbamm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


class RowStream(Absent, ForUsers):
    """Values for each row of data that stream, a pandas Series or frame per chunk.

    Every iteration reads the rows anew. Rows that a fit dropped have NaN.

    Parameters
    ----------
    begin : callable
        Begins an iteration over the chunks.
    what : str
        What the values are.
    nrows : int or None
        The number of rows, if it is known.

    See Also
    --------
    LinearMixedModel.fittedvalues, LinearMixedModel.resid, LinearMixedModel.predict

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", [sleep[:100], sleep[100:]])
    >>> [len(part) for part in m.fittedvalues]
    [100, 80]
    """

    _between_rooms = frozenset({"error", "ndim"})

    def __init__(
        self, begin: Callable[[], Iterator[pd.Series | pd.DataFrame]], what: str, nrows: int | None
    ) -> None:
        super().__init__(what, (nrows,))
        self._begin = begin

    def __iter__(self) -> Iterator[pd.Series | pd.DataFrame]:
        return self._begin()

    def error(self) -> DataError:
        return DataError(
            f"this needs {self.what} of all rows at once, but the rows are read chunk by chunk: "
            "collect() joins these values in memory, and to_parquet(path) writes them; for what "
            "needs more, fit the model to a frame in memory, of a part of the rows if they are "
            "too many"
        )

    def to_parquet(self, path: str | PathLike) -> None:
        """Write the values to a Parquet file, one column each, in the order of the rows.

        Parameters
        ----------
        path : str or path
            The file; one that exists is replaced.

        Raises
        ------
        DataError
            If pyarrow is missing.

        See Also
        --------
        LinearMixedModel.predict

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", [sleep[:100], sleep[100:]])
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     m.resid.to_parquet(Path(folder) / "resid.parquet")
        """
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise DataError(
                "writing Parquet needs pyarrow: pip install 'numbamm[parquet]'"
            ) from None
        writer = None
        try:
            for values in self:
                frame = values.to_frame() if values.ndim == 1 else values
                table = pa.Table.from_pandas(frame, preserve_index=False)
                if writer is None:
                    writer = pq.ParquetWriter(path, table.schema)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()

    def collect(self) -> pd.Series | pd.DataFrame:
        """All values, joined in memory.

        Returns
        -------
        pandas.Series or pandas.DataFrame

        See Also
        --------
        LinearMixedModel.fittedvalues

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", [sleep[:100], sleep[100:]])
        >>> m.resid.collect().head(2).round(2).to_list()
        [-4.66, -15.06]
        """
        import pandas as pd

        return pd.concat(list(self))

    def __repr__(self) -> str:
        return (
            f"<{self.what} of rows that stream: iterate over it for a pandas object per chunk, "
            "write it by to_parquet(path), or join it by collect()>"
        )
