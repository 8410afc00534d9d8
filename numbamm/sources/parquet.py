"""`Dataset`: a Parquet file, a folder of them, or any data set of pyarrow's."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from numbamm.errors import DataError
from numbamm.sources.source import CHUNK, Source


class Dataset(Source):
    """A Parquet file, a folder of them (with partitions by folders), or a `pyarrow.dataset`.

    Parameters
    ----------
    data : str, path or pyarrow.dataset.Dataset

    Raises
    ------
    DataError
        If there is no such file, if it is no Parquet, or if pyarrow is missing.
    """

    def __init__(self, data: Any) -> None:
        is_path = isinstance(data, (str, PathLike))
        if is_path and not Path(data).exists():
            raise DataError(
                f"the data are a path, but there is no file or folder '{data}'; data are a frame, "
                "a dict of arrays or a path to Parquet (those that are shipped: mm.datasets.load)"
            )
        try:
            import pyarrow as pa
            import pyarrow.dataset as ds
        except ImportError:
            raise DataError(
                "reading Parquet needs pyarrow: pip install 'numbamm[parquet]'"
            ) from None
        #: For each column that is not in all files, one without it.
        self.lacking: dict[str, str] = {}
        if not is_path:
            self.dataset, self.name = data, "the data set"
        else:
            self.name = f"'{data}'"
            try:
                self.dataset = ds.dataset(Path(data), format="parquet", partitioning="hive")
                self._unify(pa, ds, Path(data))
            except (pa.ArrowInvalid, OSError) as error:
                raise DataError(
                    f"{self.name} cannot be read as Parquet: {error}; read other formats by "
                    "polars, as pl.scan_csv(path), or by pyarrow.dataset"
                ) from error
        self.nrows = self.dataset.count_rows()

    def _unify(self, pa, ds, path: Path) -> None:
        """Let columns have a type that serves all files; by default it is that of the first."""
        fragments = list(self.dataset.get_fragments())
        if not fragments:
            raise DataError(f"the data are a folder, but there is no Parquet file in {self.name}")
        schema = self.dataset.schema
        found = {f.path: f.physical_schema for f in fragments}
        partitions = set(schema.names) - set(found[fragments[0].path].names)
        for own in found.values():
            schema = schema if own.equals(schema) else _common(pa, schema, own)
        for file, own in found.items():
            for name in set(schema.names) - partitions - set(own.names):
                self.lacking[name] = file
        if schema != self.dataset.schema:
            self.dataset = ds.dataset(path, schema=schema, format="parquet", partitioning="hive")

    def names(self) -> list[str]:
        return list(self.dataset.schema.names)

    def chunks(self, columns: Collection[str] | None = None) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.dataset as ds

        names = self.dataset.schema.names
        wanted = None if columns is None else [name for name in names if name in columns]
        for name in wanted or ():
            if name in self.lacking:  # pyarrow would let it be missing in all of the file's rows
                raise DataError(
                    f"'{self.lacking[name]}' has no column '{name}', which other files have: "
                    "leave the file out, or write the column"
                )
        held: list = []
        # Little is read ahead: a data set may be larger than memory, and a row group large.
        options = {"batch_size": CHUNK, "batch_readahead": 1, "fragment_readahead": 1}
        if isinstance(self.dataset, ds.FileSystemDataset):
            if self.dataset.format.default_extname == "parquet":
                scan = ds.ParquetFragmentScanOptions(pre_buffer=False)  # else files are kept whole
                options["fragment_scan_options"] = scan
        batches = self.dataset.to_batches(columns=wanted, **options)
        try:
            for batch in batches:  # small row groups are joined
                held.append(batch)
                if sum(len(b) for b in held) >= CHUNK:
                    yield pa.Table.from_batches(held)
                    held = []
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{self.name} cannot be read: {error}; where the files have columns of different "
                "types, write them with one type"
            ) from error
        if held:
            yield pa.Table.from_batches(held)


def _common(pa: Any, schema: Any, other: Any) -> Any:
    """A schema with the columns of both, of types that hold the values of both."""
    for field in other:
        at = schema.get_field_index(field.name)
        if at < 0:
            schema = schema.append(field)
            continue
        pair = [pa.schema([own]) for own in (schema.field(at), field)]
        try:
            schema = schema.set(at, pa.unify_schemas(pair, promote_options="permissive").field(0))
        except pa.ArrowTypeError:
            continue  # pyarrow converts to the former type, where the values allow it
    return schema
