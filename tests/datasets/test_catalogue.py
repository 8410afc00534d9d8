"""The shipped data sets: values, types, names."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import numbamm.datasets as datasets
from numbamm.errors import DataError

NAMES = datasets.list().index
FILES = Path(datasets.__file__).parent / "data"


def raw_columns(name):
    """The text of a set's file by column, read without pandas."""
    [path] = FILES.glob(f"{name}.csv*")
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", newline="") as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, zip(*rows, strict=True), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_value_is_the_file_s(name):
    frame = datasets.load(name)
    raw = raw_columns(name)
    assert [*frame.columns] == [*raw]
    for column, text in raw.items():
        values = frame[column]
        if isinstance(values.dtype, pd.CategoricalDtype):
            assert values.tolist() == [*text]
        else:
            assert values.tolist() == [float(number) for number in text]


@pytest.mark.parametrize("name", NAMES)
def test_shape_is_the_catalogue_s(name):
    frame, row = datasets.load(name), datasets.list().loc[name]
    assert frame.shape == (row["rows"], row["columns"])


@pytest.mark.parametrize("name", NAMES)
def test_every_level_occurs_and_nothing_is_missing(name):
    frame = datasets.load(name)
    assert not frame.isna().any(axis=None)
    for column in frame.select_dtypes("category"):
        assert frame[column].nunique() == len(frame[column].cat.categories)


def test_the_files_are_those_of_the_catalogue():
    assert {path.name.split(".")[0] for path in FILES.iterdir()} == {*NAMES}


def test_types_and_level_order():
    machines, cake = datasets.load("Machines"), datasets.load("cake")
    assert [*machines["Worker"].cat.categories] == ["6", "2", "4", "1", "3", "5"]
    assert cake["temperature"].cat.ordered and not cake["recipe"].cat.ordered
    assert cake["angle"].dtype == np.int64 and cake["temp"].dtype == np.float64
    assert [*cake["replicate"].cat.categories] == [str(i) for i in range(1, 16)]


def test_known_facts():
    sleep = datasets.load("sleepstudy")
    assert sleep["Reaction"].iloc[0] == 249.56
    insteval = datasets.load("InstEval")
    assert insteval["s"].nunique() == 2972 and insteval["d"].nunique() == 1128
    assert insteval["dept"].nunique() == 14


def test_case_of_the_name_does_not_matter():
    pd.testing.assert_frame_equal(datasets.load("PENICILLIN"), datasets.load("Penicillin"))
    assert len(datasets.load("dyestuff2")) == 30


def test_unknown_name_gets_the_nearest():
    with pytest.raises(DataError, match=r"'sleepstudies'.*did you mean 'sleepstudy'"):
        datasets.load("sleepstudies")
    with pytest.raises(DataError, match="there are sleepstudy, Dyestuff"):
        datasets.load("kb07")


def test_each_load_is_fresh():
    first = datasets.load("Dyestuff")
    first.loc[0, "Yield"] = -1.0
    first["more"] = 1
    assert [*datasets.load("Dyestuff").columns] == ["Batch", "Yield"]
    assert datasets.load("Dyestuff")["Yield"].iloc[0] == 1545


def test_docstring_cites_every_set():
    table = datasets.list()
    assert table["published"].str.len().min() > 0
    for name, row in table.iterrows():
        entry = datasets.load.__doc__.split(f"\n    {name}\n")[1].split("\n\n")[0]
        assert row["published"] in entry and row["source"] in entry
