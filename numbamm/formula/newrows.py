"""`NewRows`: the model matrices of other data, for prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numbamm.formula.assemble import as_floats, frame_of, missing_rows
from numbamm.formula.columns import Table

if TYPE_CHECKING:
    import pandas as pd

    from numbamm.design.remat import ReMat
    from numbamm.formula.modelframe import ModelFrame


class NewTerm(NamedTuple):
    """One random-effects term of new data.

    Attributes
    ----------
    refs : ndarray of int32, shape (m,)
        Levels of the fit; -1 where the level is new or a value is missing.
    z : ndarray of float64, shape (p, m)
        The columns left of the bar; NaN where a value is missing.
    unseen : list
        Labels of the new levels.
    """

    refs: np.ndarray
    z: np.ndarray
    unseen: list


@dataclass
class NewRows:
    """Model matrices of m new rows.

    Attributes
    ----------
    X : ndarray of float64, shape (m, p)
        NaN in the rows that miss a value.
    offset : ndarray of float64, shape (m,), or None
        The formula's ``offset()`` terms and the column that was given as offset.
    missing : ndarray of bool, shape (m,)
        Rows that miss a value in a needed column.
    terms : list of NewTerm
        The random-effects terms, as in the model frame; empty if they were not wanted.
    """

    X: np.ndarray
    offset: np.ndarray | None
    missing: np.ndarray
    terms: list[NewTerm]


def new_rows(fitted: ModelFrame, newdata: Any, random: bool) -> NewRows:
    """Carry out `ModelFrame.new_rows`, which documents the arguments."""
    design, table = fitted.design, Table(newdata)
    used = design.fixed_columns | (design.random_columns if random else set())
    given = fitted.offset_name
    table.require(sorted(used | ({given} if given else set())), "the new data")
    columns = {name: table.column(name) for name in sorted(used)}
    offset = as_floats(table.column(given), f"column '{given}' (offset)") if given else None
    missing = missing_rows(columns, (offset,), table.nrows)
    if design.text.offsets:
        offset = np.where(missing, np.nan, 0.0 if offset is None else offset)
    rows = np.flatnonzero(~missing)
    new = NewRows(
        X=np.full((table.nrows, len(fitted.xnames)), np.nan),
        offset=offset,
        missing=missing,
        terms=[_blank(term, table.nrows) for term in fitted.reterms] if random else [],
    )
    if len(rows):  # transforms cannot be relied on for no rows
        _fill(new, rows, fitted, frame_of(columns, rows))
    return new


def _blank(term: ReMat, nrows: int) -> NewTerm:
    return NewTerm(np.full(nrows, -1, dtype=np.int32), np.full((term.p, nrows), np.nan), [])


def _fill(new: NewRows, rows: np.ndarray, fitted: ModelFrame, frame: dict[str, pd.Series]) -> None:
    design = fitted.design
    matrices = design.matrices(design.materializer(frame, rows), random=bool(new.terms))
    new.X[rows] = matrices.X
    if matrices.offset is not None:
        new.offset[rows] += matrices.offset
    for term, members in zip(new.terms, fitted.members, strict=False):
        parts = [design.terms[i] for i in members]
        term.z[:, rows] = np.vstack([matrices.lhs[part.lhs].T for part in parts])
        term.refs[rows], unseen = parts[0].grouping.code(frame)
        term.unseen.extend(unseen)
