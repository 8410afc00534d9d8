"""`read_residual`: which rows ``residual="ar1(day | subject)"`` correlates, and by what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numbamm.blocks.residual.correlations import Chains, Correlations, Patterns
from numbamm.errors import DataError, warn
from numbamm.formula.assemble import are_numbers_sorted_as_text
from numbamm.formula.grouping import Grouping
from numbamm.formula.levels import as_array, level_codes
from numbamm.formula.parts.residual_text import ResidualText
from numbamm.memory import refuse_beyond
from numbamm.models.residual_side.places import LONGEST_LAG, Places
from numbamm.structures.of_rows.tables import (
    AlikeTable,
    DistanceTable,
    LagTable,
    Stacked,
    VisitTable,
    correlations_of,
)
from numbamm.structures.registry import by_name

#: Bytes of dense matrices for each entry: C, its inverse and root, M, and codes.
BYTES = 8 * 6


@dataclass
class Cells:
    """Standard deviations of cells of rows, as of visits.

    Attributes
    ----------
    codes : ndarray of int64, shape (n,)
    labels : list of str
        Of the cells that have rows; the first one has the standard deviation σ.
    pairs : ndarray of int64, shape (cells,)
        Their strata and visits: stratum × number of visits + visit, ascending.
    """

    codes: np.ndarray
    labels: list[str]
    pairs: np.ndarray


@dataclass
class Reading:
    """The rows of a residual structure.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        The order in which the rows of a group are neighbours.
    correlations : Correlations
    groups : ndarray of int64, shape (n,)
        The group of each row, in the order of the data.
    labels : ndarray
        Labels of the groups.
    cells : Cells or None
        Of the rows in the order of the data.
    visits : list
        Labels of the visits; none where rows have times or places.
    strata : list of str
    positions : ndarray
        Visit, time or place of each row, in the order of the data.
    places : Places or None
        How these were read.
    """

    rows: np.ndarray
    correlations: Correlations
    groups: np.ndarray
    labels: np.ndarray
    cells: Cells | None = None
    visits: list[Any] = field(default_factory=list)
    strata: list[str] = field(default_factory=list)
    positions: np.ndarray | None = None
    places: Places | None = None


class NoTable:
    """Correlations of rows without a structure: there are none."""

    size, codes = 0, 1
    names: list[str] = []
    shapes: list = []
    start = np.zeros(0)

    def values(self, phi) -> np.ndarray:
        return np.zeros(1)

    def slopes(self, phi) -> np.ndarray:
        return np.zeros((0, 1))

    def rectified(self, phi) -> np.ndarray:
        return phi

    def shape_values(self, phi) -> np.ndarray:
        return np.zeros(0)

    def at_bound(self, phi, tol: float) -> bool:
        return False


def independent(n: int) -> Reading:
    """Rows that are not correlated: each is a group."""
    rows = np.arange(n)
    codes = np.zeros(n, dtype=np.int64)
    chains = Chains(NoTable(), np.arange(n + 1), codes)
    return Reading(rows, chains, rows, rows)


def read_residual(text: ResidualText, columns: dict) -> Reading:
    """Find groups, positions and patterns in the data.

    Parameters
    ----------
    text : ResidualText
    columns : dict of str → pandas.Series
        In the rows used.

    Raises
    ------
    DataError
        A position occurs twice in a group, times are not whole numbers, ...: the message names the
        rows or columns.
    """
    kind = by_name()[text.structure]
    grouping = Grouping(text.group)
    groups = grouping.learn({**columns, **({} if text.group else _any(columns))}).astype(np.int64)
    stratum, strata, by = _strata(text, columns, groups, grouping)
    place = {"visits": _visits, "lags": _lags, "distances": _distances}[kind.reading]
    if not text.positions:
        place = _exchangeable
    at, labels, origin = place(text, kind, columns, groups)
    visits = [] if labels is None or kind.reading != "visits" else list(map(str, labels))
    rows = np.lexsort((*at.T[::-1], groups))
    start = np.append(np.flatnonzero(np.diff(groups[rows], prepend=-1)), len(rows))
    if text.positions:
        _refuse_repeated(text, kind, at[rows], start, groups[rows], grouping, columns, rows)
    sorted_at, by_group = at[rows], stratum[rows][start[:-1]]
    chain = kind.is_chain and at.shape[1] == 1 and not text.nugget and bool(text.positions)
    make = _chains if chain else _patterns
    correlations = make(text, kind, sorted_at, start, by_group, strata, visits)
    cells = _cells(kind, at, stratum, visits, strata)
    places = Places(text, kind, grouping, labels, origin, by, by_group)
    own = cells, visits, strata, at, places
    return Reading(rows, correlations, groups, grouping.levels, *own)


def _any(columns: dict) -> dict:
    """One column, of which an empty grouping takes the length."""
    name = next(iter(columns))
    return {name: columns[name]}


# ---- where rows are ----------------------------------------------------------------------------


def _strata(text, columns, groups, grouping):
    """The stratum of each row, names, and labels; groups must lie within one."""
    if text.by is None:
        return np.zeros(len(groups), dtype=np.int64), [], None
    codes, labels = level_codes(columns[text.by])
    of_group = np.empty(groups.max() + 1, dtype=np.int64)
    of_group[groups] = codes
    mixed = np.flatnonzero(of_group[groups] != codes)
    if len(mixed):
        label = grouping.levels[groups[mixed[0]]]
        raise DataError(
            f"residual={text.text!r}: the rows of the group {label!r} have several values of "
            f"'{text.by}', which must be the same in each group"
        )
    return codes, [f"{text.by}={label}" for label in labels], labels


def _visits(text, kind, columns, groups):
    (name,) = _one_column(text)
    codes, labels = level_codes(columns[name])
    numeric = as_array(columns[name]).dtype.kind in "iuf" and not hasattr(columns[name], "cat")
    if numeric and kind.counts_columns and len(labels) > 2:
        steps = np.diff(np.asarray(labels, dtype=float))
        if not np.allclose(steps, steps[0], rtol=1e-9):
            values = ", ".join(f"{label:g}" for label in labels[:5])
            raise DataError(
                f"residual={text.text!r} counts visits as neighbours, but the values of '{name}' "
                f"are not equally spaced ({values}{' ...' if len(labels) > 5 else ''}): make it a "
                "category to count them so, or write 'ou' for times"
            )
    _warn_of_order(text, kind, name, labels)
    return codes[:, None], labels, 0.0


def _warn_of_order(text, kind, name: str, labels) -> None:
    """Tell of text that reads as numbers in another order, where the order counts."""
    if (kind.counts_columns or kind.is_ordered) and are_numbers_sorted_as_text(list(labels)):
        warn(
            f"residual={text.text!r}: the levels of '{name}' are text in the order "
            f"{', '.join(map(repr, list(labels)[:4]))} ..., in which neighbours are counted; "
            "convert the column to numbers, or to a category in the order of time"
        )


def _one_column(text) -> tuple[str, ...]:
    if len(text.positions) != 1:
        raise DataError(f"residual={text.text!r}: {text.structure} takes one column before the bar")
    return text.positions


def _lags(text, kind, columns, groups):
    (name,) = _one_column(text)
    column = columns[name]
    if hasattr(column, "cat"):
        codes, labels = level_codes(column)
        _warn_of_order(text, kind, name, labels)
        return codes[:, None], labels, 0.0
    values = _numbers(text, name, column)
    if (values != np.round(values)).any():
        raise DataError(
            f"residual={text.text!r} needs whole numbers, and '{name}' has others: write "
            f"'ou({name} | {':'.join(text.group) or 1})' for times, or make it a category"
        )
    return (values - values.min()).astype(np.int64)[:, None], None, values.min()


def _distances(text, kind, columns, groups):
    if kind.names[0] == "ou":
        _one_column(text)
    at = np.column_stack([_numbers(text, name, columns[name]) for name in text.positions])
    return at, None, 0.0


def _numbers(text, name, column) -> np.ndarray:
    values = as_array(column)
    if hasattr(column, "cat") or values.dtype.kind not in "iufb":
        raise DataError(f"residual={text.text!r}: '{name}' must be numbers")
    return values.astype(np.float64)


def _exchangeable(text, kind, columns, groups):
    if text.structure not in ("homcs",):
        raise DataError(
            f"residual={text.text!r}: '{text.structure}' needs a column before the bar; rows that "
            f"are alike are homcs(1 | {':'.join(text.group) or 'group'})"
        )
    return np.zeros((len(groups), 1), dtype=np.int64), None, 0.0


def _refuse_repeated(text, kind, at, start, groups, grouping, columns, rows) -> None:
    """Refuse two rows of a group at one place."""
    same = (at[1:] == at[:-1]).all(axis=1) & (groups[1:] == groups[:-1])
    if text.nugget or not same.any():
        return
    k = int(np.flatnonzero(same)[0])
    values = ", ".join(f"{name} = {columns[name].iloc[rows[k]]}" for name in text.positions)
    where = f"{grouping.name} = {grouping.levels[groups[k]]!r}, " if text.group else ""
    more = f", and {int(same.sum()) - 1} more" if same.sum() > 1 else ""
    remedy = "keep one of them, or let the groups be finer"
    if kind.reading == "distances":
        remedy += ", or write nugget=True"
    raise DataError(
        f"residual={text.text!r}: two rows have {where}{values} (rows {rows[k]} and "
        f"{rows[k + 1]} of those used, counting from 0{more}): {remedy}"
    )


# ---- correlations ------------------------------------------------------------------------------


def _stacked(tables, strata):
    return tables[0] if len(tables) == 1 else Stacked(tables, strata)


def _number_of(strata) -> int:
    return max(len(strata), 1)


def _chains(text, kind, at, start, by_group, strata, labels) -> Chains:
    """Markov chains: codes of each row with the one before it."""
    n, each = len(at), _number_of(strata)
    first = np.zeros(n, dtype=bool)
    first[start[:-1]] = True
    before = np.roll(at[:, 0], 1)
    if kind.reading == "visits":
        table = VisitTable(correlations_of(kind, len(labels)))
        codes = np.where(first, 0, before * len(labels) + at[:, 0])
    elif kind.reading == "lags":
        codes = np.where(first, 0, at[:, 0] - before)
        table = LagTable(kind(_longest(text, codes) + 1))
    else:
        gaps = np.where(first, np.nan, at[:, 0] - before)
        distances, place = np.unique(gaps[~first], return_inverse=True)
        codes = np.zeros(n, dtype=np.int64)
        codes[~first] = place + 1
        table = DistanceTable(kind, distances)
    codes = codes + np.repeat(by_group, np.diff(start)) * table.codes
    return Chains(_stacked([table] * each, strata), start, codes.astype(np.int64))


def _longest(text, lags) -> int:
    longest = int(lags.max(initial=1))
    if longest > LONGEST_LAG:
        raise DataError(
            f"residual={text.text!r}: rows of a group are {longest:,} apart: divide the times by "
            "their usual step, or write 'ou'"
        )
    return max(longest, 1)


def _patterns(text, kind, at, start, by_group, strata, labels) -> Patterns:
    """Dense matrices, of which groups with the same places share one."""
    sizes = np.diff(start)
    pattern, places, of_stratum = np.empty(len(sizes), dtype=np.int64), [], []
    for m in np.unique(sizes):
        same = np.flatnonzero(sizes == m)
        rows = start[same][:, None] + np.arange(m)
        own = at[rows]
        if kind.reading == "lags":
            own = own - own[:, :1]
        key = np.column_stack([by_group[same], own.reshape(len(same), -1)])
        found, which = np.unique(key, axis=0, return_inverse=True)
        pattern[same] = which.ravel() + len(places)
        places.extend(found[:, 1:].reshape(len(found), m, -1))
        of_stratum.extend(found[:, 0].astype(int))
    orders = [len(place) for place in places]
    total, largest = sum(m * m for m in orders), max(orders)
    refuse_beyond(
        BYTES * total,
        f"correlation matrices of groups of up to {largest:,} rows",
        "let the groups be smaller, or write 'ar1' or 'ou', which need none",
    )
    table, codes = _codes(text, kind, places, labels)
    tables = [table] * _number_of(strata)
    codes = [c + stratum * table.codes for c, stratum in zip(codes, of_stratum, strict=True)]
    return Patterns(_stacked(tables, strata), start, pattern, codes)


def _codes(text, kind, places, labels):
    """The table, and the codes of all pairs of each pattern."""
    if not text.positions:
        largest = max(len(p) for p in places)
        if largest == 1:
            raise DataError(f"residual={text.text!r}: each group has a single row: leave it out")
        codes = [(~np.eye(len(p), dtype=bool)).astype(np.int64) for p in places]
        return AlikeTable(correlations_of(kind, largest)), codes
    if kind.reading == "visits":
        p = len(labels)
        if p < 2:
            raise DataError(f"residual={text.text!r}: '{text.positions[0]}' has a single value")
        at = [place[:, 0].astype(np.int64) for place in places]
        return VisitTable(correlations_of(kind, p)), [a[:, None] * p + a for a in at]
    if kind.reading == "lags":
        at = [place[:, 0].astype(np.int64) for place in places]
        codes = [np.abs(np.subtract.outer(a, a)) for a in at]
        return LagTable(kind(max(_longest(text, c) for c in codes) + 1)), codes
    apart = [np.sqrt(((p[:, None] - p[None]) ** 2).sum(axis=2)) for p in places]
    distances, which = np.unique(np.concatenate([a.ravel() for a in apart]), return_inverse=True)
    stops = np.cumsum([a.size for a in apart])[:-1]
    codes = [w.reshape(a.shape) + 1 for w, a in zip(np.split(which, stops), apart, strict=True)]
    for c in codes:
        np.fill_diagonal(c, 0)
    return DistanceTable(kind, distances, text.nugget), codes


def _cells(kind, at, stratum, labels, strata) -> Cells | None:
    """Cells of rows with standard deviations of their own."""
    if not kind.heterogeneous and not strata:
        return None
    visits = labels if kind.heterogeneous else [""]
    code = at[:, 0].astype(np.int64) if kind.heterogeneous else np.zeros(len(at), dtype=np.int64)
    both, codes = np.unique(stratum * len(visits) + code, return_inverse=True)
    names = []
    for s, v in zip(*np.divmod(both, len(visits)), strict=True):
        suffix = f"[{strata[s]}]" if strata else ""
        names.append(f"{visits[v]}{suffix}" if kind.heterogeneous else strata[s])
    return Cells(codes.ravel(), names, both)
