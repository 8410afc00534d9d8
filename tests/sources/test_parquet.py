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


def _two_files(folder, first, second):
    """A folder of two files, with the same rows but for these changes."""
    folder.mkdir()
    frame = pd.DataFrame({"y": range(40), "g": [*"abcd"] * 10, "x": [1, 2, 5, 4, 3] * 8})
    frame["y"] = (frame["y"] * 7) % 11
    parts = [frame[:20].assign(**first), frame[20:].assign(**second)]
    for number, part in enumerate(parts):
        part.to_parquet(folder / f"{number}.parquet")
    return parts


def test_integers_that_become_floats_in_a_later_file(tmp_path):
    x = [0.5, 1.5, 2.5, 2.0, 7.0] * 4
    for k, changes in enumerate([({}, {"x": x}), ({"x": x}, {}), ({"x": [None] * 20}, {})]):
        parts = _two_files(tmp_path / str(k), *changes)
        streamed = mm.lmm("y ~ x + (1 | g)", tmp_path / str(k))
        memory = mm.lmm("y ~ x + (1 | g)", pd.concat(parts).infer_objects().astype({"x": float}))
        assert streamed.nobs == memory.nobs
        assert streamed.params.to_numpy() == pytest.approx(memory.params.to_numpy(), rel=1e-8)


def test_strings_and_categories_of_files_are_the_same(tmp_path):
    _two_files(tmp_path / "both", {"g": pd.Categorical([*"abcd"] * 5)}, {})
    assert mm.lmm("y ~ x + (1 | g)", tmp_path / "both").nobs == 40


def test_a_column_that_a_file_lacks(tmp_path):
    _two_files(tmp_path / "both", {}, {"z": 1.0})
    assert mm.lmm("y ~ x + (1 | g)", tmp_path / "both").nobs == 40
    with pytest.raises(mm.DataError, match=r"0.parquet' has no column 'z', which other files"):
        mm.lmm("y ~ z + (1 | g)", tmp_path / "both")


def test_folders_and_files_that_cannot_be_read(tmp_path):
    with pytest.raises(mm.DataError, match="no Parquet file in"):
        mm.lmm("y ~ x + (1 | g)", tmp_path)
    _two_files(tmp_path / "both", {}, {"x": ["many"] * 20})
    with pytest.raises(mm.DataError, match="cannot be read: .* write them with one type"):
        mm.lmm("y ~ x + (1 | g)", tmp_path / "both")
