"""`NewRows`: the model matrices of other data, for prediction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numbamm.formula.columns import Table, refuse_rows
from numbamm.formula.used_rows import as_floats, frame_of, missing_rows, vector
from numbamm.shortrepr import ShortRepr

if TYPE_CHECKING:
    import pandas as pd

    from numbamm.design.remat import ReMat
    from numbamm.formula.modelframe import ModelFrame
    from numbamm.formula.right_side import Design, DesignTerm


class Elsewhere(NamedTuple):
    """Rows at points that were not in the data of the fit.

    Attributes
    ----------
    part : int
        Which of the structures that are joined in the term is that over positions.
    which : ndarray of int64, shape (m,)
        The new point of each row, -1 where it has none.
    points : ndarray of float64, shape (number of new points, number of coordinates)
    """

    part: int
    which: np.ndarray
    points: np.ndarray


class NewTerm(NamedTuple):
    """One random-effects term of new data.

    Attributes
    ----------
    refs : ndarray of int32, shape (m,)
        Positions of the levels of the fit, followed by new levels; -1 where a value is missing.
    z : ndarray of float64, shape (p, m)
        The columns left of the bar; NaN where a value is missing.
    unseen : list
        Labels of the new levels.
    elsewhere : list of Elsewhere
        Rows at new points, whose columns are zeros.
    """

    refs: np.ndarray
    z: np.ndarray
    unseen: list
    elsewhere: list[Elsewhere]


@dataclass(repr=False)
class NewRows(ShortRepr):
    """Model matrices of m new rows.

    Attributes
    ----------
    X : ndarray of float64, shape (m, p)
        NaN in rows with a missing value.
    offset : ndarray of float64, shape (m,), or None
        The formula's ``offset()`` terms and the column that was given as offset.
    weights : ndarray of float64, shape (m,), or None
        Prior weights, if they were given.
    missing : ndarray of bool, shape (m,)
        Rows with a missing value in a needed column.
    terms : list of NewTerm
        The requested random-effects terms, in the model frame's order.
    parts : dict of str → ndarray of float64, shape (m, columns)
        Columns of the requested further parts; NaN in rows with a missing value.
    columns : dict of str → pandas.Series
        The requested columns as they are, in the rows without a missing value.
    """

    X: np.ndarray
    offset: np.ndarray | None
    weights: np.ndarray | None
    missing: np.ndarray
    terms: list[NewTerm]
    parts: dict[str, np.ndarray]
    columns: dict[str, pd.Series]


def new_rows(
    fitted: ModelFrame,
    newdata: Any,
    wanted: Sequence[int],
    weights: Any,
    further: Collection[str] = (),
    plain: Collection[str] = (),
) -> NewRows:
    """Implement `ModelFrame.new_rows`; `wanted` are the positions of the requested terms."""
    design, table = fitted.design, Table(newdata)
    parts = [[design.terms[i] for i in fitted.members[k]] for k in wanted]
    used = design.fixed_columns.union(*(part.columns for joined in parts for part in joined))
    used = used.union(*(design.parts[part] for part in further))
    offset_name = fitted.offset_name
    table.require(sorted(set(plain) - used), "the new data (residual or dispersion)")
    used = used.union(plain)
    table.require(sorted(used | ({offset_name} if offset_name else set())), "the new data")
    columns = {name: table.column(name) for name in sorted(used)}
    offset = None
    if offset_name:
        offset = as_floats(table.column(offset_name), f"column '{offset_name}' (offset)")
    w = vector("weights", weights, table, least=0.0, data="the new data")
    if w is not None:
        refuse_rows(w == 0, "weights: zero")
    missing = missing_rows(columns, (offset, w), table.nrows)
    if design.text.offsets:
        offset = np.where(missing, np.nan, 0.0 if offset is None else offset)
    rows = np.flatnonzero(~missing)
    new = NewRows(
        X=np.full((table.nrows, len(fitted.xnames)), np.nan),
        offset=offset,
        weights=w,
        missing=missing,
        terms=[_blank(fitted.reterms[k], table.nrows) for k in wanted],
        parts={
            part: np.full((table.nrows, len(fitted.parts[part][1])), np.nan) for part in further
        },
        columns={},
    )
    if len(rows):  # transforms may fail on zero rows
        frame = frame_of(columns, rows)
        new.columns = {name: frame[name] for name in plain}
        _fill(new, rows, design, parts, frame)
    return new


def _blank(term: ReMat, nrows: int) -> NewTerm:
    return NewTerm(np.full(nrows, -1, dtype=np.int32), np.full((term.p, nrows), np.nan), [], [])


def _fill(
    new: NewRows,
    rows: np.ndarray,
    design: Design,
    parts: list[list[DesignTerm]],
    frame: dict[str, pd.Series],
) -> None:
    wanted = [part for joined in parts for part in joined]
    evaluator = design.materializer(frame, rows)
    matrices = design.matrices(evaluator, wanted, new_points=True)
    new.X[rows] = matrices.X
    for name, columns in new.parts.items():
        columns[rows] = design.part(name, evaluator)[0]
    if matrices.offset is not None:
        new.offset[rows] += matrices.offset
    for term, joined in zip(new.terms, parts, strict=True):
        term.z[:, rows] = np.vstack([matrices.lhs[part.lhs].T for part in joined])
        term.refs[rows], unseen = joined[0].grouping.code(frame)
        term.unseen.extend(unseen)
        for i, part in enumerate(joined):
            if part.lhs in matrices.elsewhere:
                of_rows, points = matrices.elsewhere[part.lhs]
                which = np.full(len(term.refs), -1, dtype=np.int64)
                which[rows] = np.maximum(of_rows, -1)
                term.elsewhere.append(Elsewhere(i, which, points))
