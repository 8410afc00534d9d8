"""Bootstrap replicates in a Parquet file: one row a replicate, the rest as metadata in JSON."""

from __future__ import annotations

import io
import json
import zlib

import numpy as np

from numbamm import files
from numbamm.errors import OptionError
from numbamm.inference.resampling.bootstrap_columns import EstimateColumns

#: Names of columns of standard errors.
ERROR = "error of {}"


def write(path, replicates) -> None:
    """Write a `Bootstrap` to a file.

    Raises
    ------
    OptionError
        The file cannot be written, or pyarrow is not installed.
    """
    pa, names = files.require_pyarrow(), replicates.names
    about = {
        "version": 2,
        "title": replicates.title,
        "names": names.to_json(),
        "key": replicates.key,
        "original": replicates.original.tolist(),
        "failed": {str(i): reason for i, reason in replicates.failed.items()},
        "given": replicates.given,
        "kind": replicates.kind,
    }
    columns = {"replicate": replicates.index, "singular": replicates.singular}
    columns |= dict(zip(names.columns, replicates.values.T.copy(), strict=True))
    if replicates.errors is not None:
        kept = [ERROR.format(name) for name in names.errors]
        columns |= dict(zip(kept, replicates.errors.T.copy(), strict=True))
    text = json.dumps(about).encode()
    checksum = _checksum(text, replicates.values, replicates.index)
    table = pa.table(columns).replace_schema_metadata({b"numbamm": text, b"crc32": checksum})
    content = io.BytesIO()
    pa.parquet.write_table(table, content)
    files.write(path, content.getvalue())


def read(path) -> dict:
    """The attributes of the `Bootstrap` that `write` wrote.

    Raises
    ------
    OptionError
        The file cannot be read, is damaged, or holds something else; or pyarrow is not installed.
    """
    pa = files.require_pyarrow()
    damage = (pa.ArrowException, OSError, LookupError, TypeError, ValueError, AttributeError)
    damage += (OverflowError, RecursionError)
    try:
        return _attributes(pa.parquet.read_table(files.as_path(path)))
    except damage as error:
        raise OptionError(
            f"{path} is no file of bootstrap replicates, or it is damaged: {error!r}"
        ) from error


def _attributes(table) -> dict:
    """The attributes of a `Bootstrap` from the table of its file; checks the checksum."""
    text = table.schema.metadata[b"numbamm"]
    about = json.loads(text)
    names = EstimateColumns.from_json(about["names"])
    values = np.column_stack([table[name].to_numpy() for name in names.columns])
    index = table["replicate"].to_numpy()
    if about["version"] > 1:  # version 1 had no checksum
        if table.schema.metadata[b"crc32"] != _checksum(text, values, index):
            raise ValueError("its checksum is wrong")
    errors = [table[ERROR.format(name)].to_numpy() for name in names.errors]
    return {
        "title": about["title"],
        "names": names,
        "key": about["key"],
        "original": np.array(about["original"]),
        "values": values,
        "index": index,
        "singular": table["singular"].to_numpy(zero_copy_only=False),
        "failed": {int(i): reason for i, reason in about["failed"].items()},
        "given": about["given"],
        "kind": about.get("kind", "parametric"),
        "errors": np.column_stack(errors) if errors else None,
    }


def _checksum(text: bytes, values: np.ndarray, index: np.ndarray) -> bytes:
    """CRC-32 of the metadata and the estimates."""
    content = [text, np.ascontiguousarray(values).tobytes(), index.astype(np.int64).tobytes()]
    return str(zlib.crc32(b"".join(content))).encode()
