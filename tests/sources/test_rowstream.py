"""Values of rows that stream."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm.sources.rowstream import RowStream

PARTS = [
    pd.Series([1.0, 2.0], name="v"),
    pd.Series([], dtype=float, name="v"),
    pd.Series([np.nan], name="v"),
]


def test_values_are_computed_anew_each_time(tmp_path):
    stream = RowStream(lambda: iter(PARTS), "values", 3)
    for _ in range(2):
        assert [len(part) for part in stream] == [2, 0, 1]
    assert len(stream) == 3 and "to_parquet" in repr(stream)
    assert stream.collect().tolist()[:2] == [1.0, 2.0]
    stream.to_parquet(tmp_path / "v.parquet")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "v.parquet"), pd.DataFrame({"v": [1.0, 2.0, np.nan]})
    )


def test_use_as_an_array_is_refused():
    stream = RowStream(lambda: iter(PARTS), "values", 3)
    for use in (np.asarray, np.sqrt, lambda s: s.mean(), lambda s: s[0], lambda s: s - 1):
        with pytest.raises(mm.DataError, match="needs values of all rows"):
            use(stream)


def test_an_error_leaves_no_open_file(tmp_path):
    def broken():
        yield PARTS[0]
        raise mm.DataError("no more rows")

    with pytest.raises(mm.DataError, match="no more rows"):
        RowStream(broken, "values", 3).to_parquet(tmp_path / "v.parquet")
