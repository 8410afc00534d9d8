"""Parquet is read in chunks of the wanted columns."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import numbamm as mm
from numbamm.sources import parquet
from numbamm.sources.parquet import Dataset


def test_a_file_that_is_no_parquet(tmp_path):
    (tmp_path / "a.csv").write_text("y,g\n1,2\n")
    with pytest.raises(mm.DataError, match="cannot be read as Parquet.*scan_csv"):
        mm.lmm("y ~ 1 + (1 | g)", tmp_path / "a.csv")


def test_small_row_groups_are_joined_and_large_ones_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "CHUNK", 100)
    table = pa.table({"a": range(730), "b": ["x"] * 730, "c": [0.5] * 730})
    for group in (7, 1000):
        pq.write_table(table, tmp_path / "t.parquet", row_group_size=group)
        source = Dataset(tmp_path / "t.parquet")
        assert source.nrows == 730 and source.names() == ["a", "b", "c"]
        chunks = list(source.chunks({"c", "a"}))
        assert all(100 <= len(chunk) < 200 for chunk in chunks[:-1])
        assert chunks[0].column_names == ["a", "c"]
        assert pa.concat_tables(chunks)["a"].to_pylist() == list(range(730))


def test_folders_may_name_partitions(tmp_path):
    frame = pd.DataFrame({"y": range(40), "g": [*"abcd"] * 10, "half": [1, 2] * 20})
    frame["y"] = (frame["y"] * 7) % 11
    frame.to_parquet(tmp_path / "parts", partition_cols=["half"])
    streamed = mm.lmm("y ~ half + (1 | g)", tmp_path / "parts")
    assert streamed.params["half"] == pytest.approx(
        mm.lmm("y ~ half + (1 | g)", frame).params["half"]
    )
