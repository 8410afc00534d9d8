"""`Schur`: the tail of a model at one θ, after the elimination of the head.

With the parts S and D of `reduction`, λ of a level of S, and the Cholesky factor of the level's own
block, λ'C_jj λ + I = L_j L_j', S is scaled to a diagonal of ones:

    S̃ = Φ'C_SS Φ + L⁻¹L⁻ᵀ = I + E      Φ = ΛL⁻ᵀ

and conjugate gradients converge in a few iterations where E is small.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.layout import (
    CROSS,
    D0,
    DENSE,
    DIAG,
    FIRST_DENSE,
    LAMBDA,
    ND,
    NHEAD,
    NLEVEL,
    NTERM,
    NX,
    ORDER,
    ROW,
    SCRATCH,
    TAIL,
    P,
)
from numbamm.blocks.tail import level_blocks, reduction
from numbamm.blocks.tail.parts import run


class Design:
    """What the schur tails of a model at any θ have in common.

    Attributes
    ----------
    table, index, A
        Layout and cross-product. In `table`, `work` has no room for a dense tail.
    size_work : int
        Length of `work`.
    sparse, dense : list of int
        The terms of S and of D, as rows of the table after the first.
    order, order_d : int
        Orders of S and of D.
    width, local, place : ndarray of int64, shape (order,)
        See `level_blocks`.
    bounds : ndarray
        See `reduction.product`.
    """

    def __init__(self, layout, A) -> None:
        self.table, self.index, self.A = layout.table.copy(), layout.index, A
        table = self.table
        nterm, nhead, first_dense = table[0, [NTERM, NHEAD, FIRST_DENSE]].tolist()
        self.sparse, self.dense = range(nhead, first_dense), range(first_dense, nterm)
        self.order = int(sum(self._width(k) for k in self.sparse))
        self.order_d = int(table[0, ORDER]) - self.order
        self.nx = int(table[0, NX])
        self.head_order = int(sum(self._width(k) for k in range(nhead)))
        widest = int(table[1 : 1 + nterm, P].max(initial=1))
        table[0, SCRATCH] = table[0, TAIL]
        self.size_work = int(table[0, TAIL]) + 3 * widest**2 + widest * (1 + self.longest)
        p = [int(table[1 + k, P]) for k in self.sparse]
        n = [int(table[1 + k, NLEVEL]) for k in self.sparse]
        self.width = np.repeat(p, np.multiply(p, n)).astype(np.int64)
        self.local = np.concatenate(
            [np.zeros(0, np.int64)] + [np.tile(np.arange(q), j) for q, j in zip(p, n, strict=True)]
        )
        self.place = np.cumsum(self.width) - self.width
        self.bounds = reduction.divide(layout)
        self.new_response()

    @property
    def longest(self) -> int:
        """Length of the longest row of values that a level has below it."""
        return int(self.table[1 : 1 + self.table[0, NTERM], ND].max(initial=0))

    def _width(self, k: int) -> int:
        return int(self.table[1 + k, P] * self.table[1 + k, NLEVEL])

    def new_response(self) -> None:
        """Take what A has of D's rows, after A was filled."""
        self.own = self._own()
        self.mixed = np.empty((self.order, self.order_d))
        for k in self.sparse:
            row = self.table[1 + k]
            self.mixed[row[ROW] : row[ROW] + self._width(k)] = self._below(k)
        self.corner = self._corner()

    def _below(self, k: int) -> np.ndarray:
        row = self.table[1 + k]
        size = row[ND] * self._width(k)
        return self.A[row[DENSE] : row[DENSE] + size].reshape(self._width(k), row[ND])

    def _own(self) -> np.ndarray:
        parts = [np.zeros(0)]
        for k in self.sparse:
            start, p = self.table[1 + k, DIAG], self.table[1 + k, P]
            parts.append(self.A[start : start + p * self._width(k)])
        return np.concatenate(parts)

    def _corner(self) -> np.ndarray:
        """A_DD, symmetric."""
        n, table, out = self.order_d, self.table, np.zeros((self.order_d, self.order_d))
        for k in self.dense:
            row = table[1 + k]
            at, p, width, after = (
                row[ROW] - self.order,
                row[P],
                self._width(k),
                row[D0] - self.order,
            )
            blocks = self.A[row[DIAG] : row[DIAG] + p * width].reshape(-1, p, p)
            for level, block in enumerate(blocks):
                here = slice(at + level * p, at + (level + 1) * p)
                out[here, here] = block
            out[after:, at : at + width] = self._below(k).T
        cross = self.A[table[0, CROSS] : table[0, CROSS] + (self.nx + 1) ** 2]
        out[n - self.nx - 1 :, n - self.nx - 1 :] = cross.reshape(self.nx + 1, -1).T
        return np.tril(out) + np.tril(out, -1).T

    def blocks(self, flat) -> list[np.ndarray]:
        """Blocks of every term of S, shape (levels, p, p), as views of a flat array."""
        out, at = [], 0
        for k in self.sparse:
            p, n = self.table[1 + k, P], self.table[1 + k, NLEVEL]
            out.append(flat[at : at + n * p * p].reshape(n, p, p))
            at += n * p * p
        return out

    def levels(self, columns, k: int) -> np.ndarray:
        """The rows of term k of S, shape (levels, p, columns)."""
        start, p = self.table[1 + k, ROW], self.table[1 + k, P]
        return columns[start : start + self._width(k)].reshape(-1, p, columns.shape[1])


class Schur:
    """The tail at one θ.

    Parameters
    ----------
    design : Design
    entries : ndarray
        The entries of every λ.

    Attributes
    ----------
    work : ndarray
        The head's part of the factor.
    logdet : float
        log|L|² of the head and of the blocks on S's diagonal.
    own, phi, inverse : ndarray
        Blocks, in a flat array: of C_SS, of Φ and of L⁻¹L⁻ᵀ.
    mixed, corner : ndarray
        C_SD and C_DD.
    """

    def __init__(self, design: Design, entries) -> None:
        self.design = design
        self.work = np.empty(design.size_work)
        self.own, self.mixed = design.own.copy(), design.mixed.copy()
        lower = design.corner.copy()
        arrays = design.table, design.index, design.A, self.work, design.local, design.place
        logdet = reduction.reduce(entries, *arrays, self.own, self.mixed, lower.reshape(-1))
        lower = np.triu(lower)  # column-major in the kernel
        self.corner = lower + np.triu(lower, 1).T
        self.logdet = logdet + self._scale()
        shape = (len(design.bounds) - 1, design.order)
        self._parts = np.empty((*shape, 0))

    def lam(self, k: int) -> np.ndarray:
        """λ of a term, shape (p, p)."""
        row = self.design.table[1 + k]
        return self.work[row[LAMBDA] : row[LAMBDA] + row[P] ** 2].reshape(row[P], row[P])

    def _scale(self) -> float:
        """Compute Φ and L⁻¹L⁻ᵀ of every level; returns log|LL'| of all."""
        design, logdet = self.design, 0.0
        self._roots: list[np.ndarray] = []  # L of every level
        self.phi, self.inverse = np.empty_like(self.own), np.empty_like(self.own)
        blocks = (design.blocks(flat) for flat in (self.own, self.phi, self.inverse))
        for k, own, phi, inverse in zip(design.sparse, *blocks, strict=True):
            lam, p = self.lam(k), own.shape[1]
            if p == 1:
                square = lam[0, 0] ** 2 * own + 1.0
                logdet += np.log(square).sum()
                inverse[:] = 1.0 / square
                phi[:] = lam[0, 0] * np.sqrt(inverse)
                self._roots.append(np.sqrt(square))
                continue
            lower = np.tril(own)
            own[:] = lower + np.tril(own, -1).transpose(0, 2, 1)
            L = np.linalg.cholesky(lam.T @ own @ lam + np.eye(p))
            logdet += 2.0 * np.log(np.diagonal(L, axis1=1, axis2=2)).sum()
            self._roots.append(L)
            back = np.linalg.inv(L)
            inverse[:] = back @ back.transpose(0, 2, 1)
            phi[:] = lam @ back.transpose(0, 2, 1)
        return float(logdet)

    @property
    def _places(self) -> tuple:
        return self.design.width, self.design.local, self.design.place

    def unscaled(self, X) -> np.ndarray:
        """Φ X: columns as random effects b."""
        out = np.empty_like(X)
        level_blocks.times(self.phi, *self._places, X, out)
        return out

    def scaled(self, Y) -> np.ndarray:
        """Φ'Y."""
        out = np.zeros_like(Y)
        level_blocks.add_transposed(self.phi, *self._places, Y, out)
        return out

    def leading(self) -> np.ndarray:
        """Orthonormal columns that span effects u which are equal in all levels of a term."""
        columns = []
        for k, L in zip(self.design.sparse, self._roots, strict=True):
            start, p = self.design.table[1 + k, ROW], L.shape[1]
            for a in range(p):
                column = np.zeros(self.design.order)
                column[start : start + L.shape[0] * p] = L[:, a, :].ravel()  # L'e_a
                columns.append(column)
        return np.linalg.qr(np.array(columns).T)[0]

    def product(self, V) -> np.ndarray:
        """C_SS V; the result is overwritten by the next product of as many columns."""
        design = self.design
        if self._parts.shape[2] != V.shape[1]:
            self._parts = np.empty((*self._parts.shape[:2], V.shape[1]))
        arrays = design.table, design.index, design.A, self.work, design.bounds

        def one(part):
            reduction.product(*arrays, part, V, self._parts[part])

        run(one, len(self._parts))
        for part in self._parts[1:]:
            reduction.add(part, self._parts[0])
        return self._parts[0]

    def times(self, X, out) -> None:
        """out = S̃ X."""
        Y = self.product(self.unscaled(X))
        self.complete(X, Y, out)

    def complete(self, X, Y, out) -> None:
        """out = S̃ X, from Y = C_SS Φ X."""
        level_blocks.times(self.inverse, *self._places, X, out)
        level_blocks.add_transposed(self.phi, *self._places, Y, out)
