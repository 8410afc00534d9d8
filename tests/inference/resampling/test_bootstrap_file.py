"""Files of replicates: written and read, damaged, or not to be written."""

import json

import numpy as np
import pytest

import numbamm as mm
from numbamm.errors import OptionError


def test_save_and_load(tmp_path, sleep, replicates):
    path = tmp_path / "sleep.parquet"
    b = sleep.bootstrap(20, seed=1)
    b.failed = {20: "why"}
    b.save(path)
    again = mm.Bootstrap.load(path)
    assert again.frame.equals(b.frame)
    assert again.estimates.equals(b.estimates)
    assert (again.failed, str(again)) == (b.failed, str(b))
    with pytest.raises(OptionError, match="need their model"):
        again.extend(5)
    again.failed = {}
    assert again.extend(5, model=sleep).frame.equals(replicates.frame.iloc[:25])
    other = tmp_path / "other.parquet"
    mm.datasets.load("Dyestuff").to_parquet(other)
    with pytest.raises(OptionError, match="no file of bootstrap replicates"):
        mm.Bootstrap.load(other)


def without_key(about, key):
    return {k: v for k, v in about.items() if k != key}


DAMAGES = {
    **{f"without {k}": lambda a, k=k: without_key(a, k) for k in ("title", "given", "original")},
    "names null": lambda about: about | {"names": None},
    "names of another kind": lambda about: about | {"names": [1, 2]},
    "failed is a list": lambda about: about | {"failed": [1]},
    "a list": lambda about: [about],
    "null": lambda about: None,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_metadata(tmp_path, replicates, damage):
    pq, path = pytest.importorskip("pyarrow.parquet"), tmp_path / "b.parquet"
    replicates.save(path)
    table = pq.read_table(path)
    first = {"version": 1}  # which had no checksum, so that all of it is looked at
    about = DAMAGES[damage](json.loads(table.schema.metadata[b"numbamm"]) | first)
    pq.write_table(table.replace_schema_metadata({b"numbamm": json.dumps(about)}), path)
    with pytest.raises(OptionError, match="b.parquet is no file of bootstrap replicates"):
        mm.Bootstrap.load(path)


def test_damaged_bytes(tmp_path, sleep):
    pytest.importorskip("pyarrow")
    path, rng = tmp_path / "b.parquet", np.random.default_rng(7)
    b = sleep.bootstrap(20, seed=1)
    b.save(path)
    whole = path.read_bytes()
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged if rng.random() < 0.7 else damaged[: rng.integers(len(whole))])
        try:
            again = mm.Bootstrap.load(path)
        except OptionError as error:
            assert "b.parquet is no file of bootstrap replicates" in str(error)
        else:  # a byte that says nothing
            assert again.frame.equals(b.frame)


def test_files_that_cannot_be_written(tmp_path, replicates):
    pytest.importorskip("pyarrow")
    for path in (tmp_path, tmp_path / "nowhere" / "b.parquet", "b\0", ""):
        with pytest.raises(OptionError, match="cannot be written"):
            replicates.save(path)
    with pytest.raises(OptionError, match="path must be the name of a file"):
        replicates.save(None)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_no_parquet_file(tmp_path, content):
    pytest.importorskip("pyarrow")
    (tmp_path / "b.parquet").write_bytes(content)
    with pytest.raises(OptionError, match="b.parquet is no file of bootstrap replicates"):
        mm.Bootstrap.load(tmp_path / "b.parquet")


def test_without_pyarrow(tmp_path, replicates, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(OptionError, match="pyarrow"):
        replicates.save(tmp_path / "x.parquet")
