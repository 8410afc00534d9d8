"""`SparseFactor`: the Cholesky factor of a sparse precision matrix, by supernodes."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from numbamm.blocks.tail import cholmod
from numbamm.blocks.tail.selected_inverse import invert_on_pattern, scratch_size
from numbamm.blocks.tail.supernodes import (
    factor,
    parents_and_counts,
    places,
    solve_lower,
    solve_upper,
    supernodes_of,
    update_size,
)
from numbamm.errors import OptionError


class SparseFactor:
    """P Q P' = LL', in an order that keeps L sparse.

    Parameters
    ----------
    precision : scipy.sparse.csc_array, shape (q, q)
    name : str
        What messages call it.

    Attributes
    ----------
    logdet : float
        log|Q|.

    Raises
    ------
    FloatingPointError
        Q is not positive definite.
    OptionError
        What finds the order is not installed.
    """

    def __init__(self, precision, name: str) -> None:
        if not cholmod.is_installed():
            raise OptionError(f"{name} is a large sparse matrix, and {cholmod.MISSING}")
        lower = sp.csc_array(sp.tril(precision, format="csc"))
        lower.sort_indices()
        arrays = lower.indptr.astype(np.int32), lower.indices.astype(np.int32)
        self._order = order = cholmod.fill_reducing_order(*arrays)
        self._nodes = nodes = supernodes_of(*arrays, order, *parents_and_counts(*arrays, order))
        at = np.empty(len(order), dtype=np.int64)
        at[order] = np.arange(len(order))
        row, column = at[lower.indices], at[np.repeat(np.arange(len(order)), np.diff(lower.indptr))]
        where = places(nodes, np.maximum(row, column), np.minimum(row, column))
        self._L = np.zeros(nodes.start[-1])
        self._scratch = max(update_size(nodes), scratch_size(nodes))
        self.logdet = float(factor(nodes, lower.data, where, self._L, np.empty(self._scratch)))
        if not np.isfinite(self.logdet):
            raise FloatingPointError("the matrix is not positive definite")

    def _in_order(self, kernel, x) -> np.ndarray:
        rows = np.ascontiguousarray(x.T, dtype=np.float64)
        if rows.size:
            kernel(self._nodes, self._L, rows.reshape(-1), len(rows), np.empty(rows.size))
        return rows

    def solve(self, x: np.ndarray) -> np.ndarray:
        """Q⁻¹x, for columns x, shape (q, p)."""
        half = self._in_order(solve_lower, x[self._order])
        out = np.empty(x.shape)
        out[self._order] = self._in_order(solve_upper, half.T).T
        return out

    def solve_transposed(self, x: np.ndarray) -> np.ndarray:
        """P'L⁻ᵀx: columns with covariance Q⁻¹, from independent ones of variance one."""
        out = np.empty(x.shape)
        out[self._order] = self._in_order(solve_upper, x).T
        return out

    def inverse_diagonal(self) -> np.ndarray:
        """Diagonal of Q⁻¹, shape (q,)."""
        nodes, Z = self._nodes, self._L.copy()
        invert_on_pattern(nodes, Z, np.empty(self._scratch))
        diagonal = np.arange(len(self._order))
        out = np.empty(len(self._order))
        out[self._order] = Z[places(nodes, diagonal, diagonal)]
        return out
