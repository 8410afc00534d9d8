"""The responses of `lmm_many`: columns of the data, a frame, an array, or a Parquet file."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from os import PathLike
from pathlib import Path

import numpy as np

from numbamm.errors import DataError, OptionError, did_you_mean, shown
from numbamm.files import require_pyarrow
from numbamm.formula.columns import Table, by_index
from numbamm.formula.used_rows import as_floats


class Responses:
    """Responses by name, which are read when they are needed.

    Attributes
    ----------
    names : list
        Of each response.
    """

    names: list

    def read(self, start: int, stop: int) -> np.ndarray:
        """Responses from `start` to `stop`, shape (responses, rows of the data), NaN if missing."""
        raise NotImplementedError


def responses_of(Y, table: Table) -> Responses:
    """The responses that the user gave.

    Parameters
    ----------
    Y
        As for `lmm_many`.
    table : Table
        The data.

    Raises
    ------
    DataError, OptionError
        There is no response, or one is not numeric, or not of the data's rows.
    """
    Y = _usual(Y)
    if isinstance(Y, str | PathLike) and str(Y) not in table.names:
        found: Responses = _Parquet(Path(Y), table)
    elif isinstance(Y, str):
        found = _Columns(table, [Y])
    elif isinstance(Y, list | tuple) and all(isinstance(name, str) for name in Y):
        table.require(list(Y), "the data (Y)")
        found = _Columns(table, list(Y))
    elif hasattr(Y, "columns") or hasattr(Y, "keys"):
        found = _Columns(_of_same_rows(Table(_aligned(Y, table)), table), None)
    else:
        found = _Array(Y, table)
    if not len(found.names):
        raise OptionError("Y has no responses: give names of columns, a frame or an array")
    seen: set[Hashable] = set()
    for name in found.names:
        if isinstance(name, tuple):
            raise DataError(
                f"Y has a response with the name {shown(name)}, of several levels: join them, as "
                "by Y.columns = ['_'.join(map(str, c)) for c in Y.columns]"
            )
        if name in seen:
            raise OptionError(f"Y has several responses with the name {shown(name)}")
        seen.add(name)
    return found


def _usual(Y):
    """A Series as a frame of one column, and an array of names as a list; all else unchanged."""
    ndim = getattr(Y, "ndim", None)
    if ndim is None and hasattr(Y, "to_frame") and len(getattr(Y, "shape", ())) == 1:
        return Y.to_frame()  # of polars
    if ndim != 1:
        return Y
    if hasattr(Y, "to_frame") and hasattr(Y, "name") and hasattr(Y, "iloc"):
        return Y.to_frame(0 if Y.name is None else Y.name)
    if getattr(Y.dtype, "kind", "O") in "OUT" and all(isinstance(name, str) for name in Y):
        return list(Y)
    return Y


def _aligned(Y, table: Table):
    """A pandas frame in the order of the data's rows; anything else unchanged."""
    return by_index(table.labels, Y, "Y") if hasattr(getattr(Y, "index", None), "equals") else Y


def _of_same_rows(given: Table, table: Table) -> Table:
    if given.nrows != table.nrows:
        raise DataError(
            f"Y has {given.nrows} rows where the data have {table.nrows}: it needs one for each "
            "row, and a column for each response"
        )
    return given


class _Columns(Responses):
    """Columns of a frame."""

    def __init__(self, table: Table, names) -> None:
        self._table = table
        self.names = list(table.names if names is None else names)

    def read(self, start: int, stop: int) -> np.ndarray:
        out = np.empty((stop - start, self._table.nrows))
        for line, name in zip(out, self.names[start:stop], strict=True):
            line[:] = as_floats(self._table.with_infinite(name), f"the response '{name}'")
        return out


class _Array(Responses):
    """An array with a column for each response, dense or sparse."""

    def __init__(self, Y, table: Table) -> None:
        is_list = isinstance(Y, list | tuple)
        if not hasattr(Y, "shape"):
            try:
                Y = np.asarray(Y)
            except ValueError as error:
                raise DataError(f"Y is no array: {error}") from None
        if len(Y.shape) == 0:
            raise DataError(
                "Y must be names of columns, a frame, an array or the path of a Parquet file, not "
                f"{shown(Y.item())}"
            )
        Y = Y[:, None] if len(Y.shape) == 1 and Y.shape[0] == table.nrows else Y
        if len(Y.shape) != 2 or Y.shape[0] != table.nrows:
            turned = len(Y.shape) == 2 and Y.shape[1] == table.nrows
            raise DataError(
                f"Y has shape {tuple(Y.shape)} where the data have {table.nrows} rows: it needs a "
                "row for each of them and a column for each response"
                + ("; give " + ("np.column_stack(Y)" if is_list else "Y.T"))
                * turned
            )
        if Y.dtype.kind == "c":
            raise DataError(f"Y must be real numbers, not an array of {Y.dtype}")
        if isinstance(Y, np.ma.MaskedArray):  # what is masked is missing
            Y = np.ma.filled(Y.astype(np.float64), np.nan)
        if not hasattr(Y, "tocsc") and Y.dtype.kind not in "fiub":
            try:
                Y = Y.astype(np.float64)
            except (TypeError, ValueError):
                raise DataError(f"Y must be numbers, not an array of {Y.dtype}") from None
        self._Y = Y.tocsc() if hasattr(Y, "tocsc") else Y
        self.names = list(range(Y.shape[1]))

    def read(self, start: int, stop: int) -> np.ndarray:
        part = self._Y[:, start:stop]
        part = part.toarray() if hasattr(part, "toarray") else part
        return np.array(np.asarray(part).T, dtype=np.float64, order="C")


class _Parquet(Responses):
    """Columns of a Parquet file, read batch by batch."""

    def __init__(self, path: Path, table: Table) -> None:
        pa = require_pyarrow()
        if not path.exists():
            hint = did_you_mean(str(path), table.names)
            raise DataError(f"Y: there is neither a column nor a file '{path}'{hint}")
        self._path, self._local = path, threading.local()
        try:
            file = self._file()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"Y: {path} is no Parquet file: {error}") from None
        if file.metadata.num_rows != table.nrows:
            raise DataError(
                f"Y: {path} has {file.metadata.num_rows} rows where the data have {table.nrows}: "
                "it needs one for each row of the data, and a column for each response"
            )
        self.names = [name for name in file.schema_arrow.names if not name.startswith("__index")]

    def __getstate__(self) -> dict:
        return {"_path": self._path, "names": self.names}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._local = threading.local()

    def _file(self):
        if not hasattr(self._local, "file"):
            import pyarrow.parquet

            self._local.file = pyarrow.parquet.ParquetFile(self._path)
        return self._local.file

    def read(self, start: int, stop: int) -> np.ndarray:
        names = self.names[start:stop]
        table = Table(self._file().read(columns=names))
        return _Columns(table, names).read(0, len(names))
