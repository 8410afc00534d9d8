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
        if not is_path:
            self.dataset, self.name = data, "the data set"
        else:
            self.name = f"'{data}'"
            try:
                self.dataset = ds.dataset(Path(data), format="parquet", partitioning="hive")
            except (pa.ArrowInvalid, OSError) as error:
                raise DataError(
                    f"{self.name} cannot be read as Parquet: {error}; read other formats by "
                    "polars, as pl.scan_csv(path), or by pyarrow.dataset"
                ) from error
        self.nrows = self.dataset.count_rows()

    def names(self) -> list[str]:
        return list(self.dataset.schema.names)

    def chunks(self, columns: Collection[str] | None = None) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.dataset as ds

        names = self.dataset.schema.names
        wanted = None if columns is None else [name for name in names if name in columns]
        held: list = []
        # Little is read ahead: a data set may be larger than memory, and a row group large.
        options = {"batch_size": CHUNK, "batch_readahead": 1, "fragment_readahead": 1}
        if isinstance(self.dataset, ds.FileSystemDataset):
            if self.dataset.format.default_extname == "parquet":
                scan = ds.ParquetFragmentScanOptions(pre_buffer=False)  # else files are kept whole
                options["fragment_scan_options"] = scan
        batches = self.dataset.to_batches(columns=wanted, **options)
        for batch in batches:  # small row groups are joined
            held.append(batch)
            if sum(len(b) for b in held) >= CHUNK:
                yield pa.Table.from_batches(held)
                held = []
        if held:
            yield pa.Table.from_batches(held)
