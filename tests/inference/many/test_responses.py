"""Responses from columns, frames, arrays and Parquet files: the same ones, and what is refused."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from inference.many.many_designs import rows
from numpy.testing import assert_array_equal

from numbamm.errors import DataError, OptionError
from numbamm.formula.columns import Table
from numbamm.inference.many.responses import responses_of

DATA = rows().set_index(pd.Index([f"row {i}" for i in range(60)]))
VALUES = np.random.default_rng(1).normal(size=(60, 5))
VALUES[4, 2], VALUES[7, 3] = np.nan, np.inf
NAMES = ["a", "y (µV)", "b c", "x", "~"]


def read(Y, data=DATA, start=1, stop=4):
    found = responses_of(Y, Table(data))
    return found.names, found.read(start, stop)


def frame():
    return pd.DataFrame(VALUES, columns=NAMES, index=DATA.index)


def forms(folder):
    file = folder / "Y.parquet"
    frame().reset_index(drop=True).to_parquet(file)
    shuffled = frame().iloc[::-1]
    return {
        "frame": frame(),
        "frame in another order": shuffled,
        "polars": pl.DataFrame(dict(zip(NAMES, VALUES.T, strict=True)), nan_to_null=True),
        "arrow": pa.table(dict(zip(NAMES, VALUES.T, strict=True))),
        "dict": dict(zip(NAMES, VALUES.T, strict=True)),
        "Parquet": str(file),
        "path": file,
    }


def test_all_forms_hold_the_same_responses(tmp_path):
    for form, Y in forms(tmp_path).items():
        names, values = read(Y)
        assert names == NAMES, form
        assert_array_equal(values, VALUES.T[1:4], err_msg=form)
        assert values.flags.c_contiguous and values.dtype == np.float64


def test_arrays_have_numbers_for_names():
    for Y in (VALUES, VALUES.tolist(), np.asfortranarray(VALUES), sp.csr_array(VALUES)):
        names, values = read(Y)
        assert names == [0, 1, 2, 3, 4]
        assert_array_equal(values, VALUES.T[1:4])
    names, values = read(VALUES[:, 0], start=0, stop=1)
    assert names == [0] and values.shape == (1, 60)
    assert read(np.arange(60), start=0, stop=1)[1].dtype == np.float64


def test_a_series_is_one_response():
    series = frame()["b c"]
    for Y in (series, series.iloc[::-1], series.to_frame(), pl.Series("b c", VALUES[:, 2])):
        names, values = read(Y, start=0, stop=1)
        assert names == ["b c"]
        assert_array_equal(values, VALUES.T[2:3])
    assert read(series.rename(None), start=0, stop=1)[0] == [0]
    by_many = series.set_axis(pd.MultiIndex.from_product([range(12), range(5)]))
    assert_array_equal(read(by_many, DATA.set_axis(by_many.index), 0, 1)[1], VALUES.T[2:3])


def test_arrays_of_names_are_names():
    for Y in (np.array(["h"]), np.array(["h"], dtype=object), pd.Index(["h"])):
        assert read(Y, start=0, stop=1)[0] == ["h"]


def test_columns_of_the_data_by_name():
    data = DATA.assign(**{"y (µV)": VALUES[:, 1], "b c": VALUES[:, 2]})
    names, values = read(["b c", "y (µV)"], data, 0, 2)
    assert names == ["b c", "y (µV)"]
    assert_array_equal(values, VALUES.T[[2, 1]])
    assert read("b c", data, 0, 1)[0] == ["b c"]


def test_a_file_is_read_in_other_processes(tmp_path):
    file = forms(tmp_path)["path"]
    again = pickle.loads(pickle.dumps(responses_of(file, Table(DATA))))
    assert_array_equal(again.read(0, 2), VALUES.T[:2])


@pytest.mark.parametrize(
    ("Y", "error", "words"),
    [
        (VALUES.T, DataError, "give Y.T"),
        (VALUES[:10], DataError, r"shape \(10, 5\) where the data have 60 rows"),
        (VALUES[:, :0], OptionError, "no responses"),
        (["a", "h"], DataError, "no column 'a' in the data"),
        (["h", "h"], OptionError, "several responses with the name 'h'"),
        (np.full((60, 1), "x"), DataError, "must be numbers"),
        (pd.DataFrame(VALUES), DataError, "its index is not that of the data"),
        ({"a": VALUES[:9, 0]}, DataError, "Y has 9 rows where the data have 60"),
        ("nowhere.parquet", DataError, "neither a column nor a file"),
        ([], OptionError, "no responses"),
        (np.zeros((60, 2, 2)), DataError, "row for each of them"),
        (list(VALUES.T), DataError, r"give np.column_stack\(Y\)"),
        (None, DataError, "Y must be names of columns, a frame, .*not None"),
        (iter([1]), DataError, "Y must be names of columns"),
        (
            pd.DataFrame(
                VALUES[:, :2], DATA.index, pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])
            ),
            DataError,
            r"name \('a', 1\), of several levels: join them",
        ),
        (pd.Series(VALUES[:, 0], DATA.index, name=("a", 1)), DataError, "of several levels"),
        (
            pd.Series(VALUES[:, 0], pd.MultiIndex.from_product([range(12), range(5)])),
            DataError,
            "its index is not that of the data",
        ),
    ],
)
def test_what_is_no_response_is_refused(Y, error, words):
    with pytest.raises(error, match=words):
        responses_of(Y, Table(DATA))


def test_words_are_refused_where_they_are_read():
    with pytest.raises(DataError, match="the response 'f' must be numbers"):
        read(["h", "f"], start=0, stop=2)


def test_other_files_are_refused(tmp_path):
    file = tmp_path / "Y.parquet"
    file.write_text("no Parquet")
    with pytest.raises(DataError, match="is no Parquet file"):
        responses_of(file, Table(DATA))
    frame().iloc[:7].to_parquet(file)
    with pytest.raises(DataError, match="has 7 rows where the data have 60"):
        responses_of(file, Table(DATA))


def test_masked_values_are_missing():
    masked = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], mask=[[False, True], [False, False]])
    table = Table(pd.DataFrame({"x": [1.0, 2.0]}))
    read = responses_of(masked, table).read(0, 2)
    np.testing.assert_array_equal(read, [[1.0, 3.0], [np.nan, 4.0]])
    whole = responses_of(np.ma.masked_array([[1], [2]], mask=[[True], [False]]), table)
    np.testing.assert_array_equal(whole.read(0, 1), [[np.nan, 2.0]])


def test_complex_numbers_are_refused():
    with pytest.raises(DataError, match="real numbers, not an array of complex128"):
        responses_of(np.ones((2, 1)) * 1j, Table(pd.DataFrame({"x": [1.0, 2.0]})))
