"""`CellTable`: rows of a generalized model that are equal, taken together as they stream.

Where a log-density is linear in the response (`Family.entropy`), as the binomial and the Poisson
one, rows that are equal but for their responses count as one row of their mean, with their weights
summed. For other families without a dispersion the responses have to be equal, too.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from numbamm.design.distinct import Distinct
from numbamm.design.rowhash import row_hashes
from numbamm.errors import DataError, FitError
from numbamm.formula.checks import check_support, refuse_constant
from numbamm.formula.modelframe import ModelFrame
from numbamm.glm.family import Family
from numbamm.memory import SHARE, available, gigabytes
from numbamm.sources.reading import Chunk, Reading
from numbamm.sources.source import Source
from numbamm.sources.streamed_frame import StreamedFrame, streamed_frame

#: Copies of the cells that exist at once during a fit: as they came, their basis, scratch.
HELD = 5


#: Bytes that fit into any memory.
ALWAYS_FITS = 2**26


class TooManyCells(DataError):
    """There are too many different rows for memory."""


@dataclass(repr=False)
class CellFrame(ModelFrame):
    """A model frame whose rows are cells.

    Its `y` are weighted means, and its `weights` sums.

    Attributes
    ----------
    n : int
        Number of rows in all cells.
    counts : ndarray, shape (cells,)
        Number of rows in each.
    squares : ndarray, shape (cells,)
        Σ w y² of each.
    excess : float
        By how much -2 log-likelihood of the rows exceeds that of the cells, whatever η is.
    greatest_weight : float
        Of a row.
    """

    n: int = 0
    counts: np.ndarray = None
    squares: np.ndarray = None
    excess: float = 0.0
    greatest_weight: float = 1.0

    are_cells = True

    @property
    def nobs(self) -> int:
        return self.n

    @property
    def digest(self) -> np.ndarray:
        return np.array([self.weights.sum(), self.weights @ self.y, self.squares.sum()])


class CellTable:
    """The cells of the rows, in a pass over them.

    Attributes
    ----------
    n : int
        Number of rows.
    """

    def __init__(self, frame: StreamedFrame, family: Family) -> None:
        self.frame, self.family = frame, family
        self.n, self.constant, self.greatest_weight = 0, 0.0, 0.0
        self.least, self.greatest = np.inf, -np.inf
        self._table, self._count = Distinct(), 0
        self._cells: np.ndarray | None = None  # columns of η, levels and, for some families, y
        self._sums = np.zeros((5, 0))  # w, wy, wy², number, position of the first row

    @property
    def reading(self) -> Reading:
        return self.frame.reading

    @property
    def _by_mean(self) -> bool:
        return self.family.entropy is not None

    def __getstate__(self) -> dict:
        # the hashes are made anew from the cells; buffers go without their spare places
        cells = None if self._cells is None else self._cells[: self._count]
        shipped = {"_table": None, "_cells": cells, "_sums": self._sums[:, : self._count]}
        return {**vars(self), **shipped}

    def empty(self) -> CellTable:
        return CellTable(self.frame, self.family)

    def add(self, chunk: Chunk) -> Self:
        if not len(chunk.rows):
            return self
        part, family = self.frame.part(chunk), self.family
        if not len(part.y):
            return self
        check_support(part, family)
        y, n = part.y, len(part.y)
        w = np.ones(n) if part.weights is None else part.weights
        offset = np.zeros(n) if part.offset is None else part.offset
        columns = [*part.X.T, offset, *(t.refs for t in part.reterms)]
        columns += [row for t in part.reterms for row in t.z]
        if not self._by_mean:
            columns.append(y)
        self.n += n
        self.least, self.greatest = min(self.least, y.min()), max(self.greatest, y.max())
        self.greatest_weight = max(self.greatest_weight, w.max())
        if not (family.dispersed or family.has_shape):
            self.constant += family.constant(y, w, 0.0, 1.0)
        if self._by_mean:
            self.constant += 2.0 * float(w @ family.entropy(y))
        self._put(np.column_stack(columns), np.array([w, w * y, w * y**2, np.ones(n), part.rows]))
        return self

    def merge(self, other: CellTable) -> Self:
        self.n += other.n
        self.constant += other.constant
        self.least, self.greatest = min(self.least, other.least), max(self.greatest, other.greatest)
        self.greatest_weight = max(self.greatest_weight, other.greatest_weight)
        if other._count:
            self._put(other._cells[: other._count], other._sums[:, : other._count])
        return self

    def _put(self, rows: np.ndarray, sums: np.ndarray) -> None:
        """Add rows to their cells."""
        before = self._count
        if self.family.dispersed or self.family.by_density:
            numbers = before + np.arange(len(rows))
            self._count += len(rows)
            first = np.arange(len(rows))
        else:
            hashes = _hashes(rows)
            if self._table is None:  # after it was shipped
                self._table = Distinct()
                self._table.numbers(_hashes(self._cells[:before]))
            numbers = self._table.numbers(hashes)
            self._count = self._table.count
            new = np.flatnonzero(numbers >= before)
            first = new[np.unique(numbers[new], return_index=True)[1]]
        self._reserve(rows.shape[1])
        self._cells[before : self._count] = rows[first]
        if not np.array_equal(self._cells[numbers], rows, equal_nan=True):
            raise FitError(
                "two different rows have the same hash, which is next to impossible: give the "
                "data in another order of rows"
            )
        self._sums[4, before : self._count] = sums[4, first]
        for total, values in zip(self._sums[:4], sums[:4], strict=True):
            np.add.at(total, numbers, values)

    def _reserve(self, width: int) -> None:
        """Make room for all cells."""
        held = 0 if self._cells is None else len(self._cells)
        if self._count <= held:
            return
        size = max(2 * held, self._count)
        needed = HELD * 8 * size * (width + 5)
        if needed > ALWAYS_FITS and needed > SHARE * available():
            raise TooManyCells(
                f"after {self.n:,} rows there are {self._count:,} different ones, which take "
                f"{gigabytes(needed)}, more than half of the memory that this process may use; "
                "round covariates, so that more rows are equal, or fit to a part of the rows"
            )
        cells, sums = np.zeros((size, width)), np.zeros((5, size))
        if held:
            cells[:held], sums[:, :held] = self._cells, self._sums
        self._cells, self._sums = cells, sums

    # ---- what follows ---------------------------------------------------------------------

    def cell_frame(self) -> CellFrame:
        """The cells as a model frame in memory.

        Raises
        ------
        DataError
            If the response is constant.
        """
        frame, family, m = self.frame, self.family, self._count
        if self.least == self.greatest:
            refuse_constant(frame, self.least)
        cells, (w, wy, squares, counts, rows) = self._cells[:m], self._sums[:, :m]
        p, terms, at = len(frame.xnames), [], len(frame.xnames) + 1 + len(frame.reterms)
        for k, term in enumerate(frame.reterms):
            z = cells[:, at : at + term.p].T
            refs = cells[:, p + 1 + k].astype(np.int32)
            terms.append(
                type(frame.covered[k])(
                    term.group, refs, term.levels, term.cnames, z, term.structure
                )
            )
            at += term.p
        y = np.divide(wy, w, out=np.zeros(m), where=w > 0) if self._by_mean else cells[:, -1].copy()
        excess = 0.0
        if self._by_mean:
            excess = self.constant - family.constant(y, w, 0.0, 1.0)
            excess -= 2.0 * float(w @ family.entropy(y))
        given = {name: getattr(frame, name) for name in (f.name for f in fields(ModelFrame))}
        given |= {"y": y, "X": np.asfortranarray(cells[:, :p]), "reterms": terms, "weights": w}
        given |= {"offset": cells[:, p].copy(), "rows": rows.astype(np.int64), "columns": {}}
        return CellFrame(
            **given,
            n=self.n,
            counts=counts,
            squares=squares,
            excess=excess,
            greatest_weight=self.greatest_weight,
        )


def _hashes(rows: np.ndarray) -> np.ndarray:
    """Hashes of 63 bits."""
    return (row_hashes(np.ascontiguousarray(rows.T)) >> np.uint64(1)).astype(np.int64)


def stream_cells(
    formula: str, source: Source, family: Family, *, progress: bool | None = None, **options
) -> tuple[StreamedFrame, CellFrame | TooManyCells]:
    """Read the rows of a generalized model: for levels, and for cells.

    Parameters
    ----------
    formula, source, progress, **options
        As for `streamed_frame`.
    family : Family

    Returns
    -------
    frame : StreamedFrame
    cells : CellFrame, or TooManyCells
        What to raise if the model needs cells, where there are too many for memory.

    Raises
    ------
    FormulaError, DataError, OptionError
        As for models of frames in memory.
    """
    two_level = family.proportions
    frame = streamed_frame(
        formula, source, two_level_response=two_level, progress=progress, **options
    )
    try:
        table = source.gather(CellTable(frame, family), progress, "collecting cells")
    except TooManyCells as error:
        return frame, error
    return frame, table.cell_frame()


def with_moments(frame: StreamedFrame, cells: CellFrame, root: np.ndarray) -> StreamedFrame:
    """The frame with the moments of its terms' columns, each cell times its root."""
    terms = []
    for term, of_cells in zip(frame.reterms, cells.reterms, strict=True):
        z = of_cells.z * root / np.sqrt(len(root))
        moments = {"mean": np.zeros(term.p), "spread": z @ z.T}
        weighted = {f"weighted_{name}": value for name, value in moments.items()}
        terms.append(replace(term, **moments, **weighted))
    return replace(frame, reterms=terms)
