"""`FeMat`: the fixed-effects columns, their rank, and the basis in which they are fitted.

See docs/mathematics.md, "Columns of ordinary size".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.completion import ForUsers
from numbamm.design.magnitude import sums_of_squares
from numbamm.shortrepr import ShortRepr

#: A column is dropped if its part orthogonal to the preceding columns is shorter than this share of
#: its length. That share may be 1e-8 for products of a factor and a covariate far from 0, which are
#: linearly independent.
RANK_TOLERANCE = 1e-10


@dataclass(repr=False)
class FeMat(ShortRepr, ForUsers):
    """Fixed-effects model matrix X and a well-conditioned basis of its columns.

    A = [Z X y]'[Z X y] squares the data, so X enters it as ``basis = X[:, kept] @ to_basis``,
    whose columns are orthogonal, of length √n, and centred if there is a constant column. The
    objective does not depend on the basis; coefficients are ``coef = to_basis @ gamma``.

    Attributes
    ----------
    x : ndarray of float64, shape (n, p)
        The columns as the formula makes them.
    cnames : list of str
        Their names.
    kept : ndarray of int64, shape (rank,)
        Columns with coefficients; the others depend linearly on preceding columns.
    to_basis : ndarray of float64, shape (rank, rank)
        Maps coefficients of the basis to those of the kept columns.
    basis : ndarray of float64, shape (n, rank)
        The basis, times the square root of the weights.
    constant : int or None
        Position of a constant column in x, about which the others are centred.
    constant_value : float or None
        The value in that column.
    rank : int
        Number of linearly independent columns.
    kept_names, dropped : list of str
        Names of the columns with coefficients, and of those without.

    See Also
    --------
    ReMat : A random-effects term.
    LinearMixedModel.exog : The columns alone.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> m.feterm.cnames, m.feterm.rank, m.feterm.dropped
    (['Intercept', 'Days'], 2, [])
    """

    _between_rooms = frozenset({"from_columns", "full", "logdet_to_basis"})

    x: np.ndarray
    cnames: list[str]
    kept: np.ndarray
    to_basis: np.ndarray
    basis: np.ndarray
    constant: int | None
    constant_value: float | None = None

    @property
    def rank(self) -> int:
        """Number of linearly independent columns."""
        return len(self.kept)

    @property
    def kept_names(self) -> list[str]:
        """Names of the columns with coefficients."""
        return [self.cnames[j] for j in self.kept]

    @property
    def dropped(self) -> list[str]:
        """Names of the columns without coefficients."""
        return [name for j, name in enumerate(self.cnames) if j not in set(self.kept)]

    @property
    def logdet_to_basis(self) -> float:
        """log|det| of `to_basis`; the REML criterion in the basis is larger by twice this."""
        return float(np.linalg.slogdet(self.to_basis)[1]) if self.rank else 0.0

    @classmethod
    def from_columns(cls, x, cnames: list[str], sqrtw=None, nobs: int | None = None) -> FeMat:
        """Find the rank of X and its basis.

        Parameters
        ----------
        x : ndarray, shape (n, p)
        cnames : list of str
        sqrtw : ndarray, shape (n,), optional
            Square roots of the weights.
        nobs : int, optional
            Number of the rows that these stand for; n, if not given.

        Raises
        ------
        DataError
            A column's squares do not fit into float64.

        Notes
        -----
        Among linearly dependent columns the later ones are dropped. Dependence is that of the
        centred columns, so that a constant column is kept. The rank is that of the p × p triangle
        of a QR decomposition, so that only fast blocked code reads all rows.
        """
        x = np.asarray(x, dtype=np.float64)
        n, p = x.shape
        weights = np.ones(n) if sqrtw is None else sqrtw**2
        constant = _constant_column(x)
        given = None if sqrtw is None else weights
        squares = sums_of_squares(x, lambda j: f"'{cnames[j]}'", given)
        centre = np.zeros(p)
        if constant is not None:
            centre = weights @ x / weights.sum()
            centre += weights @ (x - centre) / weights.sum()  # a second pass: exact to rounding
            centre[constant] = 0.0
        columns = x - centre
        if sqrtw is not None:
            columns *= sqrtw[:, None]
        kept, _, to_basis, basis = orthogonal(columns, squares, nobs or n)
        value = None
        if constant is not None:
            value = float(x[0, constant])
            uncentre(to_basis, kept, centre, constant, value)
        return cls(x, list(cnames), kept, to_basis, np.ascontiguousarray(basis), constant, value)

    def full(self, values) -> np.ndarray:
        """Values of the kept columns spread over all columns, NaN for the dropped ones."""
        out = np.full(len(self.cnames), np.nan)
        out[self.kept] = values
        return out


def orthogonal(columns, squares, n: int) -> tuple[np.ndarray, ...]:
    """The independent ones of centred columns, and an orthogonal basis of them.

    Parameters
    ----------
    columns : ndarray, shape (rows, p)
        Changed in place. They may be those of the rows, or of a triangle with the same products.
    squares : ndarray, shape (p,)
        Σ w x² of the columns before they were centred.
    n : int
        Square of the length of the basis' columns.

    Returns
    -------
    kept : ndarray of int64, shape (rank,)
    scale : ndarray, shape (p,)
        Lengths of the columns; infinite for those of rounding errors only.
    to_basis : ndarray, shape (rank, rank)
        ``basis = columns[:, kept] @ to_basis``.
    basis : ndarray, shape (rows, rank)
    """
    scale = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    scale[scale <= 10 * np.finfo(float).eps * np.sqrt(squares)] = np.inf  # rounding errors only
    columns /= scale
    triangle = np.linalg.qr(columns, mode="r")
    kept = _independent(triangle)
    if len(kept) < columns.shape[1]:
        columns, triangle = columns[:, kept], np.linalg.qr(triangle[:, kept], mode="r")
    first = np.linalg.inv(triangle / np.sqrt(n))  # makes them orthogonal, of length √n
    basis = columns @ first
    # The second round removes the rounding errors that nearly dependent columns left. Their
    # cross-product is accurate by now.
    second = np.linalg.inv(np.linalg.cholesky(basis.T @ basis / n)).T
    return kept, scale, (first / scale[kept, None]) @ second, basis @ second


def uncentre(to_basis, kept, centre, constant: int, value: float) -> None:
    """Let coefficients of centred columns become those of the columns, in place."""
    at = int(np.flatnonzero(kept == constant)[0])
    to_basis[at] -= centre[kept] / value @ to_basis


def _constant_column(x) -> int | None:
    """Position of the first column with the same non-zero value in each row."""
    same = np.flatnonzero((x[:1] != 0).ravel() & (x == x[:1]).all(axis=0))
    return int(same[0]) if len(same) else None


def _independent(triangle) -> np.ndarray:
    """Columns that are not linear combinations, to `RANK_TOLERANCE`, of preceding kept columns."""
    p = triangle.shape[1]
    if len(triangle) == p:  # if all are kept, the diagonal holds the orthogonal parts' lengths
        new, length = np.abs(np.diag(triangle)), np.linalg.norm(triangle, axis=0)
        if (new > RANK_TOLERANCE * length).all():
            return np.arange(p, dtype=np.int64)
    kept, basis = [], np.zeros((len(triangle), 0))
    for j in range(p):
        column = triangle[:, j]
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        norm = np.linalg.norm(rest)
        if norm > RANK_TOLERANCE * np.linalg.norm(column):
            kept.append(j)
            basis = np.column_stack([basis, rest / norm])
    return np.array(kept, dtype=np.int64)
