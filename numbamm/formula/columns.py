"""Reading of the user's data: any eager frame, or a dict of arrays, as pandas columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from numbamm.errors import DataError, did_you_mean
from numbamm.formula.levels import EXACT, without_unused

#: Whether a column taken out of a frame stays the same when the frame is changed afterwards.
COPIED_ON_WRITE = int(pd.__version__.partition(".")[0]) >= 3


class Table:
    """Columns of the user's data, converted one by one and only when asked for.

    Parameters
    ----------
    data
        A pandas, polars or pyarrow frame (or another eager one that narwhals knows), or a
        mapping of names to arrays of equal length.

    Attributes
    ----------
    names : list of str
    nrows : int
    index : pandas.Index or None
        The index of a pandas frame.
    labels : pandas.Index or None
        Labels of the rows, by which Series given with the data are matched: the index of a pandas
        frame, or the index that the Series of a dict have in common.
    units : dict of str to str
        Units of columns: ``attrs["units"]`` of a pandas frame.

    Raises
    ------
    DataError
        If the data are not a frame, are lazy, or have columns of unequal lengths.
    """

    def __init__(self, data: Any) -> None:
        self.index = self.labels = None
        units = getattr(data, "attrs", {}).get("units", {})
        self.units = {str(name): str(unit) for name, unit in dict(units).items()}
        if isinstance(data, Mapping):
            self._columns = data
            self.names, self.nrows = list(data), _common_length(data)
            self.labels = _common_index(data)
            return
        if isinstance(data, pd.DataFrame) and data.columns.is_unique:  # faster than by narwhals
            self._columns, self.index = data, data.index
            self.labels = self.index
            self.names, self.nrows = data.columns.tolist(), len(data)
            return
        frame = _eager(data)
        self._columns = frame
        self.names, self.nrows = frame.columns, len(frame)
        if frame.implementation.is_pandas():
            self._columns = frame.to_native()
            self.index = self.labels = self._columns.index

    def require(self, names: list[str], what: str = "the data") -> None:
        """Raise a `DataError` that lists those of `names` that are not columns."""
        absent = [name for name in names if name not in self.names]
        if len(absent) == 1:
            raise DataError(f"there is no column '{absent[0]}' in {what}{self._hint(absent[0])}")
        if absent:
            listed = ", ".join(f"'{name}'" for name in absent)
            raise DataError(f"there are no columns {listed} in {what}")

    def _hint(self, name: str) -> str:
        """A hint at a column whose name is like that of an absent one."""
        form = unicodedata.normalize("NFKC", name)
        for other in self.names:
            if not isinstance(other, str):
                if str(other) == name:
                    return f"; the name of a column is {other!r}, which is not a string: rename it"
            elif unicodedata.normalize("NFKC", other) == form:
                here, there = (" ".join(f"U+{ord(c):04X}" for c in n) for n in (name, other))
                return f"; the column '{other}' looks the same, but is spelt {there}, not {here}"
        return did_you_mean(name, self.names)

    def column(self, name: str) -> pd.Series:
        """One column, with positions as its index; missing values are those that ``isna`` finds.

        Raises
        ------
        DataError
            It cannot be used, or has infinite values.
        """
        series = self.with_infinite(name)
        _refuse_infinite(series, name)
        return series

    def native(self, name: str) -> Any:
        """One column as the user gave it."""
        return self._columns[name]

    def with_infinite(self, name: str) -> pd.Series:
        """As `column`, with infinite values if there are any."""
        values = self._columns[name]
        try:
            return _as_pandas(values)
        except Exception as error:  # whatever the library behind the frame raises
            raise DataError(f"column '{name}' cannot be used: {error}") from error


def by_index(index: pd.Index | None, values: Any, what: str) -> Any:
    """A Series in the order of the data's rows; anything else unchanged.

    Where the rows have no labels (`index` is None), a Series is taken by position.

    Raises
    ------
    DataError
        If its index does not hold each label of the rows once; or, where the rows have none, if it
        is a permutation of the row numbers.
    """
    given = getattr(values, "index", None)
    if not hasattr(given, "equals"):
        return values
    if index is None:
        if _is_permuted(given):
            raise DataError(
                f"{what}: its index numbers the rows in another order, and the data have no labels "
                "to match it with; give an array if its values are in the order of the rows"
            )
        return values
    if given.equals(index):
        return values
    alike = given.nlevels == index.nlevels and len(given) == len(index)
    unique = alike and given.is_unique and index.is_unique
    if not (unique and given.isin(index).all()):
        raise DataError(
            f"{what}: its index is not that of the data; give an array if its values are in the "
            "order of the rows"
        )
    return values.reindex(index)


def _is_permuted(index: pd.Index) -> bool:
    """Whether these are the numbers of rows from 0, but not in their order."""
    if index.dtype.kind not in "iu" or index.is_monotonic_increasing:
        return False
    return index.sort_values().equals(pd.RangeIndex(len(index)))


def take(series: pd.Series, rows: np.ndarray, name: str, all_levels: bool = False) -> pd.Series:
    """Rows of a column without missing values, as plain numbers, bool, dates or a categorical.

    Text becomes a categorical with sorted levels; levels that do not occur are dropped, unless
    `all_levels`.
    """
    if len(rows) < len(series):
        series = series.iloc[rows].reset_index(drop=True)
    if series.dtype in (np.float64, np.int64):
        return series
    if isinstance(series.dtype, pd.CategoricalDtype):
        values = series.array
        used = values if all_levels else without_unused(values)
        return series if used is values else pd.Series(used, name=series.name)
    if isinstance(series.dtype, pd.PeriodDtype):
        return series.dt.to_timestamp()
    kind = pd.api.types.infer_dtype(series) if series.dtype == object else ""
    if kind == "boolean" or pd.api.types.is_bool_dtype(series):
        return series.astype(bool)
    if kind in ("floating", "mixed-integer-float", "decimal"):
        return _numbers(series)
    if kind == "integer" or pd.api.types.is_integer_dtype(series):
        return _integers(series)
    if pd.api.types.is_numeric_dtype(series):
        return series.astype(float)
    try:
        if kind in ("date", "datetime"):  # like columns with a date dtype, not levels
            return pd.to_datetime(series)
        if kind == "timedelta":
            return pd.to_timedelta(series)
        if kind or pd.api.types.is_string_dtype(series):
            return series.astype("category")
    except (TypeError, ValueError) as error:
        raise DataError(f"column '{name}' cannot be used: {error}") from error
    return series


def _integers(series: pd.Series) -> pd.Series:
    """A column as integers of 64 bits, or as Python's integers where these are larger."""
    if series.dtype == object:
        series = series.map(int)
        least, greatest = series.min(), series.max()
        if least < -(2**63) or greatest >= 2**64 or (least < 0 and greatest >= 2**63):
            return series
        return series.astype(np.int64 if greatest < 2**63 else np.uint64)
    unsigned = pd.api.types.is_unsigned_integer_dtype(series)
    return series.astype(np.uint64 if unsigned else np.int64)


def _numbers(series: pd.Series) -> pd.Series:
    """A column as floats, or as integers where two large ones could become the same float."""
    floats = series.astype(float)
    if not _merge(floats) or any(value != int(value) for value in series):
        return floats
    return _integers(series)


def _merge(floats: pd.Series) -> bool:
    """Whether some of these floats may stand for several integers each."""
    return bool((floats.abs() > EXACT).any() and np.isfinite(floats).all())


def _common_length(data: Mapping) -> int:
    lengths = {}
    for name, values in data.items():
        if np.isscalar(values) or not hasattr(values, "__len__"):
            raise DataError(
                f"column '{name}' is not an array but {type(values).__name__}: "
                "give one value for each row"
            )
        lengths[name] = len(values)
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"'{name}' has {n}" for name, n in lengths.items())
        raise DataError(f"the columns of the data have unequal lengths: {listed}")
    return next(iter(lengths.values()), 0)


def _common_index(data: Mapping) -> pd.Index | None:
    """The common index of the Series in a dict; None if there are no Series."""
    series = {name: v for name, v in data.items() if isinstance(v, pd.Series)}
    first = next(iter(series), None)
    for name, values in series.items():
        if not values.index.equals(series[first].index):
            raise DataError(
                f"the columns '{first}' and '{name}' are Series with different indices: "
                "align them by pandas.DataFrame(...), or give arrays, which are taken by position"
            )
    return None if first is None else series[first].index


def _eager(data: Any) -> nw.DataFrame:
    try:
        return nw.from_native(data, eager_only=True)
    except TypeError:
        if isinstance(nw.from_native(data, pass_through=True), nw.LazyFrame):
            raise DataError("the data are a lazy frame: call its collect() first") from None
        raise DataError(
            "the data must be a data frame (pandas, polars, pyarrow) or a dict of arrays, "
            f"not {type(data).__name__}"
        ) from None
    except nw.exceptions.DuplicateError as error:
        raise DataError(f"column names must be unique: {error}") from None


def _as_pandas(values: Any) -> pd.Series:
    """A column of any kind, with positions as its index."""
    if isinstance(values, pd.Series):
        return _from_pandas(values if _is_numbered(values) else values.reset_index(drop=True))
    if type(values).__module__ == "pyarrow.lib" and not hasattr(values, "chunks"):
        import pyarrow as pa

        values = pa.chunked_array([values])  # narwhals reads chunked arrays alone
    if not isinstance(values, nw.Series):
        values = nw.from_native(values, series_only=True, pass_through=True)
    return _from_series(values) if isinstance(values, nw.Series) else _from_array(values)


def _is_numbered(series: pd.Series) -> bool:
    """Whether a column has positions as its index, and later changes of its frame spare it."""
    index = series.index
    numbered = isinstance(index, pd.RangeIndex) and (index.start, index.step) == (0, 1)
    return COPIED_ON_WRITE and numbered


def _from_array(values: Any) -> pd.Series:
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"it has {values.ndim} dimensions")
    series = pd.Series(values)
    if isinstance(values, list | tuple) and series.dtype == float and _merge(series.dropna()):
        series = pd.Series(values, dtype=object)  # integers and missing values
    return _from_pandas(series)


def _from_series(series: nw.Series) -> pd.Series:
    dtype = series.dtype
    if isinstance(dtype, nw.String | nw.Categorical | nw.Enum):
        return pd.Series(_categorical(series))
    if dtype.is_decimal():
        decimals, series = series, series.cast(nw.Float64)
        if _merge(pd.Series(series.to_numpy()).dropna()):
            return pd.Series(decimals.to_list(), dtype=object)
    if dtype in (nw.Int128, nw.UInt128):  # numpy has no such numbers
        return pd.Series(series.to_list(), dtype=object)
    missing = series.is_null().to_numpy()
    if missing.all():  # such a column may have no type
        return pd.Series(np.full(len(missing), np.nan))
    if dtype.is_nested() or dtype in (nw.Binary, nw.Unknown):
        raise TypeError(f"its type is {dtype}")
    if dtype.is_integer() and missing.any():  # as floats, large identifiers would coincide
        return pd.Series(pd.arrays.IntegerArray(series.fill_null(0).to_numpy(), missing))
    return pd.Series(series.to_numpy())


def _from_pandas(series: pd.Series) -> pd.Series:
    dtype = series.dtype
    if dtype in (np.float64, np.int64):
        return series
    if isinstance(dtype, pd.ArrowDtype) and "dictionary" in str(dtype):
        return series.astype("category")
    if isinstance(dtype, pd.ArrowDtype) and "decimal" in str(dtype):
        return series.astype(object)  # as numbers they would be floats, which merge identifiers
    if dtype.kind == "c":
        raise TypeError("its values are complex")
    if dtype.kind == "f":  # in a nullable dtype, NaN need not count as missing
        return pd.Series(series.to_numpy(dtype=float, na_value=np.nan))
    return series


def _categorical(series: nw.Series) -> pd.Categorical:
    """A text column of polars or Arrow as codes, without a Python object per row."""
    if series.implementation.is_polars():
        return _from_polars(series)
    if series.implementation.is_pyarrow():
        return _from_arrow(series.to_native())
    return pd.Categorical(series.to_numpy())


def _from_polars(series: nw.Series) -> pd.Categorical:
    rows = np.flatnonzero(~series.is_null().to_numpy())
    physical = series.cast(nw.Categorical).to_native().to_physical().fill_null(0).to_numpy()
    codes = np.full(len(series), -1)
    codes[rows], uniques = pd.factorize(physical[rows])
    row_of_label = np.empty(len(uniques), dtype=np.int64)  # some row in which it occurs
    row_of_label[codes[rows]] = rows
    labels = series.cast(nw.String).to_native().gather(row_of_label).to_list()
    # The order of an Enum is the user's; that of a Categorical is an accident of the process.
    order = series.dtype.categories if isinstance(series.dtype, nw.Enum) else sorted(labels)
    return pd.Categorical.from_codes(codes, labels).set_categories(list(order))


def _from_arrow(native: Any) -> pd.Categorical:
    given = hasattr(native.type, "dictionary") or "dictionary" in str(native.type)
    array = (native if given else native.dictionary_encode()).unify_dictionaries()
    array = array.combine_chunks()
    indices = array.indices.cast("int64")  # polars hands on unsigned ones
    codes = indices.fill_null(-1).to_numpy(zero_copy_only=False)
    labels = array.dictionary.to_pylist()
    result = pd.Categorical.from_codes(codes, labels, ordered=given and native.type.ordered)
    return result if given else result.reorder_categories(sorted(labels))


def _refuse_infinite(series: pd.Series, name: str) -> None:
    if series.dtype.kind == "f":
        refuse_rows(np.isinf(series.to_numpy()), f"column '{name}' is infinite")


def refuse_rows(bad: np.ndarray, what: str, rows: np.ndarray | None = None) -> None:
    """Raise a `DataError` that counts and shows the rows where `bad` holds.

    `rows` are the positions of the values in the user's data, if some rows were dropped.
    """
    bad_rows = np.flatnonzero(bad) if rows is None else rows[bad]
    count = len(bad_rows)
    if count:
        shown = ", ".join(str(row) for row in bad_rows[:5]) + (", ..." if count > 5 else "")
        noun = "row" if count == 1 else "rows"
        raise DataError(f"{what} in {count} {noun} (counting from 0: {shown})")
