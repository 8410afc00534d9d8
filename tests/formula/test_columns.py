"""The door for data: the same columns out of every kind of frame."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numbamm.errors import DataError
from numbamm.formula import model_frame
from numbamm.formula.columns import Table, take


def column(data, name="v"):
    """The column without its missing values, and which rows miss."""
    series = Table(data).column(name)
    missing = series.isna().to_numpy()
    return take(series, np.flatnonzero(~missing), name), missing.tolist()


def carriers(values, **kinds):
    """The values in every kind of data."""
    return {
        "dict": {"v": values},
        "pandas": pd.DataFrame({"v": values}),
        "polars": pl.DataFrame({"v": values}, strict=False),
        "pyarrow": pa.table({"v": pa.array(values)}),
        **kinds,
    }


@pytest.mark.parametrize(
    ("values", "expected", "dtype"),
    [
        ([1.5, None, 3.0], [1.5, 3.0], "float64"),
        ([1, 2, 3], [1, 2, 3], "int64"),
        ([True, None, False], [True, False], "bool"),
        (["b", None, "a"], ["b", "a"], "category"),
        ([dt.datetime(2020, 1, 2), None], [pd.Timestamp(2020, 1, 2)], "datetime64"),
    ],
)
def test_every_kind_of_data_gives_the_same_column(values, expected, dtype):
    for kind, data in carriers(values).items():
        series, missing = column(data)
        assert series.tolist() == expected, kind
        assert str(series.dtype).startswith(dtype), kind
        assert missing == [value is None for value in values], kind


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "string", "int8", "uint16"])
def test_pandas_dtypes(dtype):
    values = {"boolean": [True, False], "string": ["a", "b"]}.get(dtype, [1, 2])
    series, _ = column(pd.DataFrame({"v": pd.Series(values, dtype=dtype)}))
    assert series.tolist() == values
    assert str(series.dtype) in ("int64", "uint64", "float64", "bool", "category")


@pytest.mark.parametrize("dtype", ["int64", "double", "bool", "string", "dictionary"])
def test_arrow_dtypes_within_pandas(dtype):
    values = {"bool": [True, False], "string": ["b", "a"], "dictionary": ["b", "a"]}.get(
        dtype, [2, 1]
    )
    kind = pa.dictionary(pa.int32(), pa.string()) if dtype == "dictionary" else dtype
    array = pa.array(values, type=kind if dtype == "dictionary" else None)
    frame = pd.DataFrame({"v": pd.Series(array, dtype=pd.ArrowDtype(array.type))})
    series, _ = column(frame)
    assert series.tolist() == values
    assert not isinstance(series.dtype, pd.ArrowDtype)


def test_order_of_levels_is_kept_where_it_means_something():
    levels = ["w", "v", "u", "never"]
    values = ["u", "v", None, "w"]
    arrow = pa.DictionaryArray.from_arrays(pa.array([2, 1, None, 0]), pa.array(levels))
    for data in (
        {"v": pd.Categorical(values, categories=levels)},
        pd.DataFrame({"v": pd.Categorical(values, categories=levels)}),
        pl.DataFrame({"v": pl.Series(values, dtype=pl.Enum(levels))}),
        {"v": pl.Series(values, dtype=pl.Enum(levels))},
        pa.table({"v": arrow}),
    ):
        series, missing = column(data)
        assert series.cat.categories.tolist() == ["w", "v", "u"]
        assert series.tolist() == ["u", "v", "w"]
        assert missing == [False, False, True, False]


def test_text_and_polars_categoricals_are_sorted():
    values = ["b", "c", "a", "b"]
    polars = pl.DataFrame({"v": pl.Series(values, dtype=pl.Categorical)})
    for data in (*carriers(values).values(), polars):
        assert column(data)[0].cat.categories.tolist() == ["a", "b", "c"]


def test_ordered_levels_of_arrow():
    array = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["l", "h"]), ordered=True)
    assert column(pa.table({"v": array}))[0].cat.ordered


def test_chunks_of_arrow_share_their_levels():
    one, two = (pa.array(v).dictionary_encode() for v in (["a", "b"], ["b", "c"]))
    series, _ = column(pa.table({"v": pa.chunked_array([one, two])}))
    assert series.tolist() == ["a", "b", "b", "c"]


def test_large_identifiers_stay_apart_beside_missing_values():
    values = [2**60, None, 2**60 + 1]
    for data in (
        pl.DataFrame({"v": values}),
        pa.table({"v": values}),
        pd.DataFrame({"v": pd.array(values, dtype="Int64")}),
    ):
        assert column(data)[0].nunique() == 2


def test_decimals_are_numbers():
    values = [Decimal("1.5"), None, Decimal("2.25")]
    for data in carriers(values).values():
        series, missing = column(data)
        assert series.tolist() == [1.5, 2.25]
        assert series.dtype == float
        assert missing == [False, True, False]


def test_polars_nan_and_null_are_both_missing():
    assert column(pl.DataFrame({"v": [1.0, float("nan"), None]}))[1] == [False, True, True]


def test_a_column_of_nulls_misses_everything():
    for data in (pl.DataFrame({"v": [None, None]}), pa.table({"v": pa.nulls(2)})):
        assert column(data)[1] == [True, True]


def test_objects_are_looked_into():
    objects = pd.Series([1, 2.5, None], dtype=object)
    assert column({"v": objects})[0].tolist() == [1.0, 2.5]
    assert column({"v": pd.Series([True, None], dtype=object)})[0].dtype == bool
    assert column({"v": np.array(["b", "a"])})[0].tolist() == ["b", "a"]


DAYS = [dt.date(2020, 1, 2), dt.date(2020, 3, 4)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.Series(DAYS, dtype=object), "M"),
        (pd.Series([dt.datetime(2020, 1, 2, tzinfo=dt.UTC)] * 2, dtype=object), "M"),
        (pd.Series(pd.PeriodIndex(["2020-01", "2020-03"], freq="M")), "M"),
        (pd.Series([dt.timedelta(1), dt.timedelta(2)], dtype=object), "m"),
    ],
)
def test_dates_without_a_dtype_are_dates_and_no_levels(values, kind):
    assert column({"v": values})[0].dtype.kind == kind


def test_dates_of_several_zones_are_refused():
    zones = [dt.timezone(dt.timedelta(hours=k)) for k in (1, 2)]
    values = pd.Series([dt.datetime(2020, 1, 2, tzinfo=zone) for zone in zones], dtype=object)
    with pytest.raises(DataError, match="'v' cannot be used: "):
        column({"v": values})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "must be a data frame .* not int"),
        ("y", "must be a data frame .* not str"),
        (np.zeros((2, 2)), "must be a data frame .* not ndarray"),
        (pl.LazyFrame({"a": [1]}), "a lazy frame: call its collect"),
        ({"a": [1, 2], "b": [1]}, "'a' has 2, 'b' has 1"),
        ({"a": 1}, "'a' is not an array but int"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "must be unique"),
    ],
)
def test_what_is_no_data(data, message):
    with pytest.raises(DataError, match=message):
        Table(data)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pl.Series([[1], [2]]), "'v' cannot be used: its type is List"),
        (np.zeros((2, 2)), "'v' cannot be used: it has 2 dimensions"),
        (np.array([1j, 2]), "'v' cannot be used: its values are complex"),
        (np.array([1.0, np.inf, 2, -np.inf]), r"'v' is infinite in 2 rows \(.* 1, 3\)"),
    ],
)
def test_columns_that_cannot_be_used(values, message):
    with pytest.raises(DataError, match=message):
        Table({"v": values}).column("v")


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_frames_give_identical_models(data):
    n = 24
    floats = st.one_of(st.none(), st.floats(-100, 100, allow_subnormal=False))
    draw = lambda values: data.draw(st.lists(values, min_size=n, max_size=n))  # noqa: E731
    labels = st.sampled_from(["zeta", "a", "Bé", None])
    columns = {
        "y": list(np.arange(n) ** 1.5),
        "x": [*draw(floats)[6:], 1.0, -2.5, 3.0, 4.0, 5.0, 0.0],
        "i": draw(st.integers(-5, 5)),
        "f": [*draw(labels)[6:], "a", "zeta", "a", "zeta", "Bé", "Bé"],
        "g": [*draw(st.integers(0, 3))[6:], 0, 1, 2, 0, 1, 2],
    }
    frames = [
        pd.DataFrame(columns),
        pl.DataFrame(columns),
        pa.table(columns),
        {name: np.array(v, dtype=object) for name, v in columns.items()},
    ]
    first, *others = (
        model_frame("y ~ x * f + i + (1 + f | g) + (1 | g:f)", frame) for frame in frames
    )
    for other in others:
        assert other.xnames == first.xnames
        np.testing.assert_array_equal(other.X, first.X)
        np.testing.assert_array_equal(other.rows, first.rows)
        for a, b in zip(other.reterms, first.reterms, strict=True):
            assert (a.group, a.cnames, list(a.levels)) == (b.group, b.cnames, list(b.levels))
            np.testing.assert_array_equal(a.refs, b.refs)
            np.testing.assert_array_equal(a.z, b.z)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(24)))
def test_the_order_of_rows_does_not_matter(order):
    rng = np.random.default_rng(3)
    columns = {
        "y": rng.normal(size=24),
        "x": rng.normal(size=24),
        "f": np.array(list("abcd") * 6),
        "g": np.arange(24) % 6,
    }
    formula = "y ~ x * f + (x | g) + (1 | f:g)"
    mf = model_frame(formula, columns)
    moved = model_frame(formula, {name: values[order] for name, values in columns.items()})
    np.testing.assert_array_equal(moved.X, mf.X[order])
    for a, b in zip(moved.reterms, mf.reterms, strict=True):
        assert list(a.levels) == list(b.levels)
        np.testing.assert_array_equal(a.refs, b.refs[order])
        np.testing.assert_array_equal(a.z, b.z[:, order])
