"""Every kind of data that stream gives the same fit; others are refused with a remedy."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from sources.streams import assert_same_fit, cut, irregular

import numbamm as mm
from numbamm.sources.opening import open_source

FORMULA = "y ~ x * f + (1 + x | g) + (1 | h)"
CUTS = (1, 2, 2, 3, 50, 400, 401)


def test_a_parquet_file_a_folder_a_data_set_a_lazy_frame_and_a_factory(tmp_path):
    import pyarrow.dataset as ds

    df = irregular()
    expected = mm.lmm(FORMULA, df)
    (tmp_path / "folder").mkdir()
    for k, part in enumerate(cut(df, 100, 333)):
        part.to_parquet(tmp_path / "folder" / f"{k}.parquet")
    df.to_parquet(tmp_path / "whole.parquet")
    for data in (
        tmp_path / "whole.parquet",
        str(tmp_path / "folder"),
        ds.dataset(tmp_path / "folder"),
        pl.scan_parquet(tmp_path / "whole.parquet"),
        lambda: (part.to_dict("series") for part in cut(df, *CUTS)),
        [pl.from_pandas(part) for part in cut(df, 100, 200)],
    ):
        assert_same_fit(expected, mm.lmm(FORMULA, data))


@pytest.mark.parametrize(
    "data, message",
    [
        (iter([irregular()]), "an iterator .* read once only"),
        ("no such file.parquet", "no file or folder 'no such file.parquet'"),
        (lambda: irregular(), "returns DataFrame, not an iterable of frames"),
        (lambda: 3, "returns int"),
        ([], "no chunks"),
        ([irregular().iloc[:0]], "no row is left of 0"),
        ([irregular(), 3], "chunk 1 of the data: .* not int"),
        ([irregular(), irregular().drop(columns="x")], "chunk 1 of the data: .* no column 'x'"),
        ([irregular(), irregular().assign(f=1.0)], "'f' holds numbers in some chunks"),
        ([irregular(), irregular().assign(x=np.inf)], "chunk 1 of the data: column 'x' is inf"),
        ([irregular().assign(y=1.0), irregular().assign(y=1.0)], "response 'y' is constant"),
        ([irregular().assign(g="a"), irregular().assign(g="a")], "'g' has a single level"),
        (
            [irregular().astype({"h": str}), irregular()],
            "column 'h' holds numbers in some chunks and text|text in some chunks and numbers",
        ),
    ],
)
def test_data_that_cannot_stream(data, message):
    with pytest.raises(mm.DataError, match=message):
        mm.lmm("y ~ x + f + (1 | g) + (1 | h)", data)


@pytest.mark.parametrize(
    "data",
    [
        irregular(),
        irregular().to_dict("series"),
        pl.from_pandas(irregular()),
        pa.Table.from_pandas(irregular()),
        np.ones(3),
        None,
        7,
    ],
)
def test_what_is_in_memory_does_not_stream(data):
    assert open_source(data) is None
