"""`RotatedTail`: effects of related levels, in coordinates in which they are independent.

A term with one effect a level and Cov(b) = σ²λ²K, K = RR', is the same model as one with effects u
of covariance σ²λ²I and columns ZR. Their cross-product R'Z'WZR is dense; with its eigenvectors U,

    U'R'Z'WZRU = D  (diagonal),      b = RU·λu

so that in columns ZRU the term is like any other with independent levels: its own block of A is
diagonal, and those with other terms, X and y are dense. This is done once, before a search; then
an evaluation costs no more than with independent levels, and every compiled search does as it is.
K may be singular.

Estimates and variances are changed back to the levels. The idea is that of efficient mixed-model
association (Kang et al., 2008, Genetics 178, 1709-1723), here among any other terms.
"""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from numbamm.blocks.crossprod import crossprod
from numbamm.blocks.layout import D0, DENSE, DIAG, LAMBDA, ND, NHEAD, NLEVEL, ROTATED_WAY, ROW, P
from numbamm.blocks.tail.dense_tail import DenseTail
from numbamm.blocks.tail.protocol import CrossProduct, Solution
from numbamm.blocks.tail.sparse_solutions import tail_vectors
from numbamm.blocks.variances import tail_block

#: Rows whose variances are computed at once.
BATCH = 512


class Rotation(NamedTuple):
    """The change of coordinates of one term.

    Attributes
    ----------
    root : ndarray, shape (q, q)
        R, with columns of zeros beyond the rank of K.
    vectors : ndarray, shape (q, q)
        U.
    columns : ndarray, shape (q, q)
        RU.
    """

    root: np.ndarray
    vectors: np.ndarray
    columns: np.ndarray


class RotatedTail(DenseTail):
    """A dense tail of terms with related levels; see the module."""

    def __init__(self, terms, xy, sqrtw=None, layout=None, **options) -> None:
        super().__init__(terms, xy, sqrtw, layout, **options)
        self._rotations: dict[int, Rotation] = {}  # by the row of the table, less one
        if isinstance(xy, CrossProduct):
            return  # A is in rotated columns already; see `of_product`
        for k, given in enumerate(self.layout.order):
            if terms[given].way == ROTATED_WAY:
                self._rotate(k, terms[given].relation.root)

    @classmethod
    def of_roots(cls, terms, product: CrossProduct, roots) -> RotatedTail:
        """A tail whose cross-product is R'AR already; see `Roots`."""
        tail = cls(terms, product)
        eye = {k: np.eye(len(R)) for k, R in roots.of.items()}
        tail._rotations = {k: Rotation(R, eye[k], R) for k, R in roots.of.items()}
        return tail

    def _rotate(self, k: int, root) -> None:
        """Find the coordinates of a term, and change A to them."""
        row, q = self.layout.table[1 + k], len(root)
        own = self.A[row[DIAG] : row[DIAG] + q]
        R = np.zeros((q, q))
        R[:, : root.shape[1]] = root
        values, U = np.linalg.eigh(R.T @ (own[:, None] * R))
        own[:] = np.maximum(values, 0.0)
        self._rotations[k] = Rotation(R, U, R @ U)
        self._rotate_products(k, slice(None))

    def _rotate_products(self, k: int, rows: slice) -> None:
        """Change dense rows of A: those of later terms, X and y with term k; and all before."""
        table, columns = self.layout.table, self._rotations[k].columns
        below = self._below(k)[:, rows]
        below[:] = columns.T @ below
        if rows != slice(None):
            return
        for j in range(k):  # whose dense rows below include term k
            first = int(table[1 + k, ROW] - table[1 + j, D0])
            across = self._below(j)[:, first : first + len(columns)]
            across[:] = across @ columns

    def _below(self, k: int) -> np.ndarray:
        """The dense rows below term k, shape (its columns, ND): a view of A."""
        row = self.layout.table[1 + k]
        width = int(row[P] * row[NLEVEL])
        return self.A[row[DENSE] : row[DENSE] + row[ND] * width].reshape(width, row[ND])

    def without_rows(self, rows) -> RotatedTail:
        """The blocks of the data without some rows, whose coordinates are others."""
        other, kept = copy(self), np.ones(len(self.xy), dtype=bool)
        kept[rows] = False
        parts = self.refs[:, kept], self.z[kept], self.xy[kept]
        places = self.layout.places[:, kept]
        other.A = np.full_like(self.A, np.nan)
        refs, z, xy, places = (np.ascontiguousarray(part) for part in (*parts, places))
        crossprod(refs, z, xy, self.layout.table, places, other.A)
        other._rotations = {}
        for k, rotation in self._rotations.items():
            other._rotate(k, rotation.root)
        return other

    def new_response(self, y) -> None:
        super().new_response(y)
        for k in self._rotations:
            self._rotate_products(k, slice(-1, None))

    def of_product(self, terms, product: CrossProduct) -> RotatedTail:
        other = super().of_product(terms, product)
        other._rotations = self._rotations
        return other

    # ---- estimates ----------------------------------------------------------------------------

    def solve(self) -> Solution:
        """u and b of the levels; u such that b = λRu."""
        found = super().solve()
        for k, rotation in self._rotations.items():
            given = self.layout.order[k]
            found.u[given] = rotation.vectors @ found.u[given]
            found.b[given] = rotation.columns @ found.b[given]
        return found

    def solution_as_held(self) -> Solution:
        return super().solve()

    def leverage(self) -> np.ndarray:
        parts, start = [], 0
        for k in range(self.layout.nterm):
            p = int(self.layout.table[1 + k, P])
            parts.append((self.refs[k], self.z[:, start : start + p].T))
            start += p
        return self._forms(parts, self.xy[:, :-1], keep_x=True)

    def conditional_variances(self) -> list[np.ndarray]:
        found = super().conditional_variances()
        table, nterm = self.layout.table, self.layout.nterm
        for k in self._rotations:
            q = int(table[1 + k, NLEVEL])
            none = np.full(q, -1, dtype=np.int32)
            parts = [(none, np.zeros((int(table[1 + j, P]), q))) for j in range(nterm)]
            parts[k] = (np.arange(q, dtype=np.int32), np.ones((1, q)))
            forms = self._forms(parts, np.zeros((q, self.nx)), keep_x=False)
            found[self.layout.order[k]] = forms[:, None, None]
        return found

    def row_variances(self, terms, x) -> np.ndarray:
        return self._forms([terms[k] for k in self.layout.order], x, keep_x=True)

    def _forms(self, parts, x, keep_x: bool) -> np.ndarray:
        """a'Ω⁻¹a of rows a = (Λ'z, x); see `variances.row_variances`.

        Parameters
        ----------
        parts : list of (refs, z)
            Levels and columns, shape (p, n), of each term, in the table's order.
        x : ndarray, shape (n, nx)
        keep_x : bool
            Whether β is estimated, not known.
        """
        out = np.empty(len(x))
        refs = np.array([r for r, _ in parts], dtype=np.int32)
        z = np.concatenate([columns for _, columns in parts]).T
        for start in range(0, len(out), BATCH):
            rows = slice(start, start + BATCH)
            out[rows] = self._forms_of(refs[:, rows], z[rows], x[rows], keep_x)
        return out

    def _forms_of(self, refs, z, x, keep_x: bool) -> np.ndarray:
        layout, work, m, nx = self.layout, self.work, self.order, self.nx
        table, nhead = layout.table, int(layout.table[0, NHEAD])
        out, t = np.zeros(len(z)), np.zeros((len(z), m))
        plain = refs.copy()
        plain[list(self._rotations)] = -1
        e = np.zeros(int(table[1 : 1 + nhead, [P, NLEVEL]].prod(axis=1).sum()))
        arrays = (np.ascontiguousarray(a) for a in (plain, z, x))
        tail_vectors(*arrays, table, layout.index, work, e, t, out)
        starts = np.cumsum([0, *table[1 : 1 + layout.nterm, P]])
        for k, rotation in self._rotations.items():
            row, q = table[1 + k], len(rotation.columns)
            own = np.where(refs[k] >= 0, z[:, starts[k]], 0.0)[:, None]
            own = own * rotation.columns[refs[k]]
            if k >= nhead:
                t[:, row[ROW] : row[ROW] + q] += own
                continue
            e = own * (work[row[LAMBDA]] / work[row[DIAG] : row[DIAG] + q])  # L⁻¹λ'
            out += np.einsum("ij,ij->i", e, e)
            B = work[row[DENSE] : row[DENSE] + row[ND] * q].reshape(q, row[ND])
            t[:, row[D0] :] -= e @ B
        for k in range(nhead, layout.nterm):
            p, first = int(table[1 + k, P]), int(table[1 + k, ROW])
            lam = work[table[1 + k, LAMBDA] : table[1 + k, LAMBDA] + p * p].reshape(p, p)
            own = t[:, first : first + p * int(table[1 + k, NLEVEL])]
            own[:] = (own.reshape(-1, p) @ lam).reshape(own.shape)
        kept = m - 1 if keep_x else m - 1 - nx
        if kept:
            half = solve_triangular(
                tail_block(layout, work, slice(kept)), t[:, :kept].T, lower=True
            )
            out += np.einsum("ij,ij->j", half, half)
        return out
