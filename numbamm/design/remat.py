"""`ReMat`: the model matrix of one random-effects term, and its relative covariance factor."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp


def triangle_inds(p: int, diagonal: bool = False) -> np.ndarray:
    """Positions in a p × p λ of the entries that θ fills.

    Parameters
    ----------
    p
        Order of λ.
    diagonal
        Only the diagonal (``zerocorr``), not the whole lower triangle.

    Returns
    -------
    ndarray of int64, shape (number of θ,)
        Positions in ``lambda_.ravel()`` (row by row), in θ's order: column by column.
    """
    entries = [(row, col) for col in range(p) for row in range(col, col + 1 if diagonal else p)]
    return np.array([row * p + col for row, col in entries], dtype=np.int64)


@dataclass(repr=False)
class ReMat:
    """One random-effects term ``(columns | group)``: Z_k in compact form, and λ_k.

    The model matrix Z has one block of p columns for each level of the grouping factor; in
    row i only the block of level ``refs[i]`` is non-zero, and holds ``z[:, i]``.

    Attributes
    ----------
    group : str
        Name of the grouping factor, as the tables print it (``"Subject"``, ``"batch:cask"``).
    refs : ndarray of int32, shape (n,)
        Level of each row, as a position in `levels`.
    levels : ndarray, shape (number of levels,)
        Labels of the levels. Each of them occurs in `refs`.
    cnames : list of str
        Names of the p columns on the left of the bar.
    z : ndarray of float64, shape (p, n)
        The columns on the left of the bar, transposed; the p values of a row are contiguous.
    inds : ndarray of int64, shape (number of θ,)
        Which entries of λ are parameters: ``lambda_.ravel()[inds]`` is this term's θ, column
        by column through the lower triangle.
    lambda_ : ndarray of float64, shape (p, p)
        The relative covariance factor of one level, lower triangular; the identity at first.
    """

    group: str
    refs: np.ndarray
    levels: np.ndarray
    cnames: list[str]
    z: np.ndarray
    inds: np.ndarray | None = None
    lambda_: np.ndarray = field(default=None)

    def __post_init__(self) -> None:
        self.refs = np.ascontiguousarray(self.refs, dtype=np.int32)
        self.z = np.asfortranarray(self.z, dtype=np.float64)
        if self.inds is None:
            self.inds = triangle_inds(self.p)
        if self.lambda_ is None:
            self.lambda_ = np.eye(self.p)

    @property
    def p(self) -> int:
        """Number of columns on the left of the bar: random effects per level."""
        return self.z.shape[0]

    @property
    def nlevels(self) -> int:
        """Number of levels of the grouping factor."""
        return len(self.levels)

    @property
    def nranef(self) -> int:
        """Number of random effects, levels × columns."""
        return self.nlevels * self.p

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the matrix Z that this term stands for."""
        return len(self.refs), self.nranef

    @property
    def theta(self) -> np.ndarray:
        """This term's part of θ, shape (number of θ,)."""
        return self.lambda_.ravel()[self.inds]

    @theta.setter
    def theta(self, value) -> None:
        self.lambda_.ravel()[self.inds] = value

    @property
    def on_diagonal(self) -> np.ndarray:
        """For each θ, whether it stands on the diagonal of λ."""
        return self.inds % (self.p + 1) == 0

    @property
    def lowerbd(self) -> np.ndarray:
        """Lower bounds of this term's θ: 0 on the diagonal of λ, -inf below it."""
        return np.where(self.on_diagonal, 0.0, -np.inf)

    @property
    def blocks(self) -> list[list[int]]:
        """Columns that share a triangular block of λ, block by block."""
        free = np.zeros(self.p**2, dtype=bool)
        free[self.inds] = True
        leaders = [int(np.flatnonzero(row)[0]) for row in free.reshape(self.p, self.p)]
        return [[j for j in range(self.p) if leaders[j] == k] for k in sorted(set(leaders))]

    def is_nested_in(self, other: ReMat) -> bool:
        """Whether each level of this factor occurs with one level of `other` only."""
        parent = np.empty(self.nlevels, dtype=np.int32)
        parent[self.refs] = other.refs
        return bool(np.array_equal(parent[self.refs], other.refs))

    def tosparse(self) -> sp.csr_array:
        """Z as a scipy CSR array of shape (n, levels × p)."""
        n, p = len(self.refs), self.p
        cols = self.refs[:, None].astype(np.int64) * p + np.arange(p)
        indptr = np.arange(n + 1, dtype=np.int64) * p
        return sp.csr_array((self.z.T.ravel(), cols.ravel(), indptr), shape=self.shape)

    def toarray(self) -> np.ndarray:
        """Z as a dense array of shape (n, levels × p); for small models and for tests."""
        return self.tosparse().toarray()

    def __repr__(self) -> str:
        full = len(self.inds) == self.p * (self.p + 1) // 2
        kind = "" if full else ", diagonal λ" if self.on_diagonal.all() else ", patterned λ"
        columns = ", ".join(self.cnames)
        return f"ReMat({columns} | {self.group}: {self.nlevels} levels, {self.shape[0]} rows{kind})"


def amalgamate(terms: list[ReMat]) -> list[ReMat]:
    """Join the terms that share a grouping factor into one term with a block-diagonal λ.

    ``(1 | g) + (0 + x | g)`` becomes a single term on g with columns 1 and x whose λ has
    structural zeros between them. The order of first appearance is kept.
    """
    by_group: dict[str, list[ReMat]] = {}
    for term in terms:
        by_group.setdefault(term.group, []).append(term)
    return [same[0] if len(same) == 1 else _join(same) for same in by_group.values()]


def _join(terms: list[ReMat]) -> ReMat:
    first = terms[0]
    p = sum(t.p for t in terms)
    free = np.zeros((p, p), dtype=bool)
    at = 0
    for t in terms:
        block = np.zeros(t.p * t.p, dtype=bool)
        block[t.inds] = True
        free[at : at + t.p, at : at + t.p] = block.reshape(t.p, t.p)
        at += t.p
    col, row = np.nonzero(free.T)  # column by column, rows ascending: θ's order
    return ReMat(
        group=first.group,
        refs=first.refs,
        levels=first.levels,
        cnames=[name for t in terms for name in t.cnames],
        z=np.vstack([t.z for t in terms]),
        inds=row * p + col,
    )


def order_terms(terms: list[ReMat]) -> list[ReMat]:
    """Terms by decreasing number of random effects; equal ones stay in the formula's order."""
    return sorted(terms, key=lambda t: -t.nranef)
