"""Where the columns of many fits go, batch by batch: into memory, or into a Parquet file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from numbamm.errors import OptionError
from numbamm.files import as_path, require_pyarrow
from numbamm.inference.many.fit_columns import Names, adjusted

#: Rows of a Parquet file that are read at once when adjusted p-values are added.
ROWS = 10_000


class Store:
    """Counts what is stored.

    Attributes
    ----------
    reasons, doubts : dict of int to str
        By the fits' numbers.
    singular : int
    """

    def __init__(self, names: Names, fdr: str | None) -> None:
        self._names, self._fdr, self._count = names, fdr, 0
        self.reasons: dict[int, str] = {}
        self.doubts: dict[int, str] = {}
        self.singular = 0

    def add(self, columns: Any) -> None:
        """Store the columns of a batch, by name."""
        for name, kept in (("reason", self.reasons), ("doubt", self.doubts)):
            texts = columns[name]
            kept |= {self._count + i: text for i, text in enumerate(texts) if text is not None}
        self.singular += int(columns["singular"].sum())
        self._count += len(columns["reason"])
        self._put(columns)

    def _put(self, columns: dict) -> None:
        raise NotImplementedError

    def finish(self) -> dict:
        """All columns, or none if they are in a file."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Forget what is stored."""


class Memory(Store):
    """Keeps the columns; `finish` returns them."""

    def __init__(self, names: Names, fdr: str | None) -> None:
        super().__init__(names, fdr)
        self._parts: list[dict] = []

    def _put(self, columns: dict) -> None:
        self._parts.append(columns)

    def finish(self) -> dict:
        if not self._parts:
            return {}
        whole = {k: np.concatenate([part[k] for part in self._parts]) for k in self._parts[0]}
        if self._fdr:
            for test in self._names.tests:
                p = whole[f"pvalue_{test}"]
                whole[f"padjusted_{test}"] = adjusted(p, self._fdr)
        return whole

    def abandon(self) -> None:
        self._parts.clear()


class File(Store):
    """Writes the columns to a Parquet file, which exists only when all are written.

    Raises
    ------
    OptionError
        The file cannot be written, or pyarrow is not installed.
    """

    def __init__(self, path, names: Names, fdr: str | None) -> None:
        super().__init__(names, fdr)
        self._pa = require_pyarrow()
        self._target = as_path(path)
        self._part = self._target.with_name(f"{self._target.name}.{os.getpid()}.part")
        self._writer: Any = None
        self._pvalues: list = []
        if not self._target.parent.is_dir():
            raise OptionError(f"{path} cannot be written: there is no folder {self._target.parent}")
        if self._target.is_dir():
            raise OptionError(f"{path} is a folder: give the path of a file in it")

    def _put(self, columns: dict) -> None:
        table = self._table(columns)
        try:
            if self._writer is None:
                self._writer = self._pa.parquet.ParquetWriter(self._part, table.schema)
            self._writer.write_table(table)
        except OSError as error:
            self.abandon()
            raise OptionError(
                f"{self._target} cannot be written: {error.strerror or error}"
            ) from error
        if self._fdr:
            tests = self._names.tests
            self._pvalues.append(np.stack([columns[f"pvalue_{test}"] for test in tests]))

    def _table(self, columns: dict):
        arrays = {}
        for name, values in columns.items():
            text = name in ("reason", "doubt")
            arrays[name] = self._pa.array(values, type=self._pa.string() if text else None)
        return self._pa.table(arrays)

    def finish(self) -> dict:
        if self._writer is not None:
            self._writer.close()
            if self._fdr:
                self._add_adjusted()
            self._part.replace(self._target)
        return {}

    def _add_adjusted(self) -> None:
        """Write the file once more, with adjusted p-values, which all of them decide."""
        pa, other = self._pa, self._part.with_suffix(".adjusted")
        of_tests = [adjusted(p, self._fdr) for p in np.concatenate(self._pvalues, axis=1)]
        writer, start = None, 0
        with pa.parquet.ParquetFile(self._part) as file:
            for batch in file.iter_batches(ROWS):
                table = pa.Table.from_batches([batch])
                for test, p in zip(self._names.tests, of_tests, strict=True):
                    part = pa.array(p[start : start + len(batch)])
                    table = table.append_column(f"padjusted_{test}", part)
                writer = writer or pa.parquet.ParquetWriter(other, table.schema)
                writer.write_table(table)
                start += len(batch)
        writer.close()
        other.replace(self._part)

    def abandon(self) -> None:
        """Leave no half of a file."""
        if self._writer is not None:
            self._writer.close()
        self._part.unlink(missing_ok=True)
