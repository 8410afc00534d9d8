"""`Innovations`: a process on a pedigree or tree, in which values depend on those of parents.

A value less the shares of its parents is an independent innovation: with S the matrix of these
differences and D the innovations' variances, K = S⁻¹DS⁻ᵀ and K⁻¹ = S'D⁻¹S. With parents first S is
a unit lower triangle, so that products with K are two sweeps over the pedigree, and nothing is
factored.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu


class Innovations:
    """K = S⁻¹DS⁻ᵀ; with the methods of a `SparseFactor` of K⁻¹.

    Parameters
    ----------
    differences : scipy.sparse.csc_array, shape (q, q)
        S.
    own : ndarray, shape (q,)
        Variances of the innovations, the diagonal of D; positive.
    total : ndarray, shape (q,)
        Diagonal of K.
    order : ndarray of int64, shape (q,)
        Parents before offspring.
    """

    def __init__(self, differences, own, total, order) -> None:
        self._S, self._own, self._total, self._order = differences, own, total, order

    @property
    def logdet(self) -> float:
        """log|K⁻¹|."""
        return -float(np.log(self._own).sum())

    @property
    def precision(self) -> sp.csc_array:
        """K⁻¹, sparse."""
        return sp.csc_array(self._S.T @ sp.diags_array(1.0 / self._own) @ self._S)

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "_lower"}

    @cached_property
    def _lower(self):
        triangle = sp.csc_matrix(self._S[self._order][:, self._order])
        return splu(triangle, permc_spec="NATURAL", diag_pivot_thresh=0.0)

    def _swept(self, x, trans: str) -> np.ndarray:
        out = np.empty(x.shape)
        out[self._order] = self._lower.solve(np.ascontiguousarray(x[self._order]), trans)
        return out

    def solve(self, x: np.ndarray) -> np.ndarray:
        """K x, for columns x, shape (q, p)."""
        return self._swept(self._own[:, None] * self._swept(x, "T"), "N")

    def solve_transposed(self, x: np.ndarray) -> np.ndarray:
        """Columns with covariance K, from independent ones of variance one."""
        return self._swept(np.sqrt(self._own)[:, None] * x, "N")

    def inverse_diagonal(self) -> np.ndarray:
        """Diagonal of K, shape (q,)."""
        return self._total
