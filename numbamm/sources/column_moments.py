"""`ColumnMoments`: moments of a model's columns, and the columns of ordinary size that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from numbamm.design.absent import absent
from numbamm.design.femat import FeMat, orthogonal, uncentre
from numbamm.design.magnitude import sums_of_squares
from numbamm.design.scaling import Scaling
from numbamm.errors import DataError
from numbamm.formula.modelframe import ModelFrame
from numbamm.sources.reading import Chunk, Reading
from numbamm.sources.streamed_frame import StreamedFrame, StreamedTerm

#: Rows of a block that is added to a triangle: few enough for the processor's cache.
BLOCK = 2048


class Triangle:
    """The triangle R of the QR decomposition of a matrix whose rows come in parts.

    Its columns have the lengths and the angles of the matrix's columns, as exactly as if the
    whole matrix had been decomposed: no products are formed, which would square the condition
    (Golub & Van Loan, 2013, Matrix Computations, 5.3).
    """

    def __init__(self, p: int) -> None:
        self.R = np.zeros((0, p))

    def add(self, rows: np.ndarray) -> None:
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            rows_and_R = np.concatenate([self.R, block])
            self.R = np.asarray(np.linalg.qr(rows_and_R, mode="r"))

    def whole(self) -> np.ndarray:
        """R with rows of zeros, shape (p, p), and a positive first entry."""
        R = np.zeros((self.R.shape[1],) * 2)
        R[: len(self.R)] = self.R
        return -R if R[0, 0] < 0 else R


class Products:
    """Sums, and sums of products about them, of a few columns less a shift."""

    def __init__(self, shift: np.ndarray) -> None:
        self.shift, self.total = shift, 0.0
        self.sums, self.products = np.zeros(len(shift)), np.zeros((len(shift),) * 2)

    def add(self, z: np.ndarray, w: np.ndarray | None) -> None:
        """Add columns, shape (p, n), and their weights."""
        z = z - self.shift[:, None]
        weighted = z if w is None else z * w
        self.total += z.shape[1] if w is None else w.sum()
        self.sums += weighted.sum(axis=1)
        self.products += weighted @ z.T

    def merge(self, other: Products) -> None:
        self.total += other.total
        self.sums += other.sums
        self.products += other.products

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means, and mean products about them."""
        step = self.sums / self.total
        spread = self.products / self.total - np.outer(step, step)
        np.fill_diagonal(spread, np.maximum(np.diag(spread), 0.0))
        return self.shift + step, spread


class Constants:
    """Which columns have the same value in all rows."""

    def __init__(self, p: int) -> None:
        self.first: np.ndarray | None = None
        self.same = np.ones(p, dtype=bool)

    def add(self, rows: np.ndarray) -> None:
        if self.first is None:
            self.first = rows[0].copy()
        self.same &= (rows == self.first).all(axis=0)

    def merge(self, other: Constants) -> None:
        if other.first is not None:
            self.add(other.first[None])
            self.same &= other.same

    @property
    def nonzero(self) -> np.ndarray:
        """ColumnMoments of one value other than zero."""
        return self.same & (self.first != 0)


class ColumnMoments:
    """Moments of the columns of X, y and Z, in a pass over the rows.

    Attributes
    ----------
    n : int
        Number of rows.
    sum_log_w : float
        Σ log w.
    digest : ndarray
        As of a `ModelFrame`.
    fingerprint : ndarray
        Of all rows, by which another pass can tell that it sees the same ones.
    """

    def __init__(self, frame: StreamedFrame) -> None:
        self.frame = frame
        some = frame.part(frame.sample)
        centred = bool(((some.X[0] != 0) & (some.X == some.X[0]).all(axis=0)).any())
        y = _without_offset(some)
        #: About these values columns are taken, so that few digits are lost: near their means.
        self.shift = np.append(some.X.mean(axis=0), y.mean()) * centred
        self.triangle = Triangle(2 + some.X.shape[1])
        self.constants = Constants(some.X.shape[1])
        self.n, self.sum_log_w, self.fingerprint = 0, 0.0, 0.0 * fingerprint(some)
        self.digest = 0.0 * some.digest
        self.least_w, self.greatest_w = (np.inf, 0.0) if frame.weights is not None else (1.0, 1.0)
        self.response = Constants(1)
        self.terms = [
            (Constants(t.p), Products(t.z.mean(axis=1)), Products(t.z.mean(axis=1)))
            for t in some.reterms
        ]

    @property
    def reading(self) -> Reading:
        return self.frame.reading

    def empty(self) -> ColumnMoments:
        return ColumnMoments(self.frame)

    def add(self, chunk: Chunk) -> Self:
        if not len(chunk.rows):
            return self
        part = self.frame.part(chunk)
        w, n = part.weights, len(part.y)
        self.n += n
        self.fingerprint += fingerprint(part)
        self.digest += part.digest
        xy = np.empty((n, 2 + part.X.shape[1]))
        xy[:, 0] = 1.0
        np.subtract(part.X, self.shift[:-1], out=xy[:, 1:-1])
        np.subtract(_without_offset(part), self.shift[-1], out=xy[:, -1])
        if w is not None:
            self.sum_log_w += float(np.log(w).sum())
            self.least_w = min(self.least_w, w.min())
            self.greatest_w = max(self.greatest_w, w.max())
            xy *= np.sqrt(w)[:, None]
        self.triangle.add(xy)
        self.constants.add(part.X)
        self.response.add(part.y[:, None])
        for term, (constants, products, weighted) in zip(part.reterms, self.terms, strict=True):
            constants.add(term.z.T)
            products.add(term.z, None)
            if w is not None:
                weighted.add(term.z, w)
        return self

    def merge(self, other: ColumnMoments) -> Self:
        self.n += other.n
        self.fingerprint += other.fingerprint
        self.digest += other.digest
        self.sum_log_w += other.sum_log_w
        self.least_w = min(self.least_w, other.least_w)
        self.greatest_w = max(self.greatest_w, other.greatest_w)
        self.triangle.add(other.triangle.R)
        self.constants.merge(other.constants)
        self.response.merge(other.response)
        for own, (constants, products, weighted) in zip(self.terms, other.terms, strict=True):
            own[0].merge(constants)
            own[1].merge(products)
            own[2].merge(weighted)
        return self

    # ---- what follows ---------------------------------------------------------------------

    def basis(self) -> Basis:
        """The basis of the fixed effects, and the response in it; see `FeMat`."""
        R = self.triangle.whole()
        length, x, y = R[0, 0], R[:, 1:-1].copy(), R[:, -1].copy()
        found = np.flatnonzero(self.constants.nonzero)
        constant = int(found[0]) if len(found) else None
        centre, mean = np.zeros(x.shape[1]), 0.0
        squares = x.copy()
        squares[0] += self.shift[:-1] * length
        squares = sums_of_squares(squares, lambda j: f"'{self.frame.xnames[j]}'")
        y_squares = y.copy()
        y_squares[0] += self.shift[-1] * length
        y_squares = sums_of_squares(y_squares[:, None], lambda _: "the response")[0]
        if constant is None:
            x[0] += self.shift[:-1] * length
            y[0] += self.shift[-1] * length
        else:
            value = float(self.constants.first[constant])
            centre = self.shift[:-1] + x[0] / length
            mean = float(self.shift[-1] + y[0] / length)
            centre[constant] = x[0] = y[0] = 0.0
            x[:, constant] = 0.0
            x[0, constant] = value * length
        kept, _, rotation, basis = orthogonal(x, squares, self.n)
        gamma0 = basis.T @ y / self.n
        rest = y - basis @ gamma0
        scale = float(np.sqrt(rest @ rest / self.n))
        if not scale > 1e-13 * np.sqrt(y_squares / self.n):
            raise DataError(
                "the fixed effects explain the response exactly: nothing is left to model"
            )
        to_basis = rotation.copy()
        if constant is not None:
            uncentre(to_basis, kept, centre, constant, value)
        names = list(self.frame.xnames)
        of_rows = (absent("the fixed-effects columns", self.n, k) for k in (len(names), len(kept)))
        first = None if constant is None else value
        fe = FeMat(next(of_rows), names, kept, to_basis, next(of_rows), constant, first)
        return Basis(fe, centre[kept], rotation, mean, gamma0, scale)

    def terms_with_moments(self) -> list[StreamedTerm]:
        """The frame's terms, with the moments of their columns."""
        out = []
        for term, (_, products, weighted) in zip(self.frame.reterms, self.terms, strict=True):
            mean, spread = products.moments()
            by_weight = weighted.moments() if self.frame.weights is not None else (mean, spread)
            share = weighted.total / self.n if self.frame.weights is not None else 1.0
            out.append(
                replace(
                    term,
                    mean=mean,
                    spread=spread,
                    weighted_mean=by_weight[0],
                    weighted_spread=by_weight[1],
                    share=share,
                )
            )
        return out

    def scalings(self, terms: Sequence[StreamedTerm]) -> list[Scaling | None]:
        """The change of each term to columns of ordinary size."""
        out = []
        for term, (constants, _, _) in zip(terms, self.terms, strict=True):
            scaling = Scaling.of_moments(
                term.structure,
                constants.nonzero,
                term.weighted_mean,
                np.diag(term.weighted_spread),
                term.share,
            )
            if scaling is not None:
                scaling.z = term.z
            out.append(scaling)
        return out


@dataclass
class Basis:
    """The basis in which fixed effects are fitted, and the response as it enters A.

    Attributes
    ----------
    fe : FeMat
    centre : ndarray, shape (rank,)
        Centres of the kept columns.
    rotation : ndarray, shape (rank, rank)
        The basis from centred columns.
    mean, gamma0, scale
        As in `CentredResponse`.
    """

    fe: FeMat
    centre: np.ndarray
    rotation: np.ndarray
    mean: float
    gamma0: np.ndarray
    scale: float

    def columns(self, part: ModelFrame) -> np.ndarray:
        """The basis of rows, without their weights, shape (n, rank)."""
        return (part.X[:, self.fe.kept] - self.centre) @ self.rotation

    def rows(self, part: ModelFrame, sqrtw: np.ndarray | None) -> np.ndarray:
        """``[basis | response]`` times the square root of the weights, shape (n, rank + 1)."""
        kept = self.fe.kept
        x = part.X if len(kept) == part.X.shape[1] else part.X[:, kept]
        x = x - self.centre
        y = _without_offset(part) - self.mean
        if sqrtw is not None:
            x *= sqrtw[:, None]
            y *= sqrtw
        out = np.empty((len(y), len(kept) + 1))
        np.matmul(x, self.rotation, out=out[:, :-1])
        out[:, -1] = (y - out[:, :-1] @ self.gamma0) / self.scale
        return out


def _without_offset(part: ModelFrame) -> np.ndarray:
    return part.y if part.offset is None else part.y - part.offset


def fingerprint(part: ModelFrame) -> np.ndarray:
    """Sums by which two passes can tell whether they see the same rows, most likely.

    The number of rows, and the sums of |y|; those of the weights and of the absolute offsets,
    each alone and times |y|; of each column's |x|; and of |y| times the number of the level of each
    term.
    """
    y = np.abs(part.y)
    beside = [
        total
        for values in (part.weights, part.offset)
        for total in ([0.0, 0.0] if values is None else [np.abs(values).sum(), y @ np.abs(values)])
    ]
    levels = [y @ (term.refs + 1.0) for term in part.reterms]
    return np.concatenate([[len(y), y.sum(), *beside], np.abs(part.X).sum(axis=0), levels])


def fingerprint_names(frame: StreamedFrame) -> list[str]:
    """What each sum of a fingerprint is of, as text."""
    names = (f"'{name}'" for name in (*frame.xnames, *(term.group for term in frame.reterms)))
    beside = ["the weights"] * 2 + ["the offset"] * 2
    return ["the number of rows", f"'{frame.response}'", *beside, *names]
