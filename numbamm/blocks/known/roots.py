"""`Roots`: effects of related levels in the dense tail, as linear combinations of independent ones.

A term with one effect a level and Cov(b) = σ²λ²K, K = RR', is that with effects u of covariance
σ²λ²I and columns ZR. Where residuals are correlated, Z'R⁻¹Z of the rows changes with φ, so that no
rotation makes it diagonal, as `rotated` does: A is formed for the levels, whose columns are sparse,
and changed to R'AR at each φ; what kernels ask of U, they ask for the levels again.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.layout import (
    D0,
    DENSE,
    DIAG,
    ND,
    NHEAD,
    NLEVEL,
    ORDER,
    ROTATED_WAY,
    ROW,
    TAIL_U,
    P,
)


class Roots:
    """The roots R of the terms of a layout, and changes of coordinates in place.

    Parameters
    ----------
    layout : Layout
        Of correlated rows; terms with related levels are in its tail.
    terms : sequence of ReMat
        In the caller's order.

    Attributes
    ----------
    of : dict of int → ndarray, shape (q, q)
        By the row of the table, less one; with columns of zeros beyond the rank of K.
    """

    def __init__(self, layout, terms) -> None:
        self._layout, self.of = layout, {}
        for k, given in enumerate(layout.order):
            if getattr(terms[given], "way", "") == ROTATED_WAY:
                root = terms[given].relation.root
                R = np.zeros((len(root), len(root)))
                R[:, : root.shape[1]] = root
                self.of[k] = R

    def __bool__(self) -> bool:
        return bool(self.of)

    def to_held(self, A) -> np.ndarray:
        """R'AR of a cross-product of the levels."""
        table = self._layout.table
        for k, R in self.of.items():
            below = self._below(A, k)
            below[:] = R.T @ below
            for j in range(k + 1):  # terms whose dense rows include this one, its own as well
                self._across(A, j, k, R)
            q = len(R)
            A[table[1 + k, DIAG] : table[1 + k, DIAG] + q] = np.diag(below[:, :q])
        return A

    def of_levels(self, adjoint) -> np.ndarray:
        """RUR' of the U that `gradient.differentiate` leaves; a copy."""
        adjoint, table = adjoint.copy(), self._layout.table
        m, at = int(table[0, ORDER]), int(table[0, TAIL_U])
        square = adjoint[at : at + m * m].reshape(m, m)
        square[:] = np.triu(square) + np.triu(square, 1).T
        for k, R in self.of.items():
            own = self._rows(k)
            square[own] = R @ square[own]
            square[:, own] = square[:, own] @ R.T
            for j in range(int(table[0, NHEAD])):
                self._across(adjoint, j, k, R.T)
        return adjoint

    def right_sides(self, below) -> np.ndarray:
        """R'r of right-hand sides of the levels, in the rows of the tail."""
        for k, R in self.of.items():
            below[self._rows(k)] = R.T @ below[self._rows(k)]
        return below

    def related(self, k: int, c) -> np.ndarray:
        """Kc of numbers for the levels of a term; c itself where levels are independent."""
        return self.of[k] @ (self.of[k].T @ c) if k in self.of else c

    def _rows(self, k: int) -> slice:
        first = int(self._layout.table[1 + k, ROW])
        return slice(first, first + len(self.of[k]))

    def _below(self, buffer, k: int) -> np.ndarray:
        """The dense rows below term k, shape (its columns, ND): a view."""
        row = self._layout.table[1 + k]
        width = int(row[P] * row[NLEVEL])
        return buffer[row[DENSE] : row[DENSE] + row[ND] * width].reshape(width, row[ND])

    def _across(self, buffer, j: int, k: int, R) -> None:
        first = int(self._layout.table[1 + k, ROW] - self._layout.table[1 + j, D0])
        across = self._below(buffer, j)[:, first : first + len(R)]
        across[:] = across @ R
