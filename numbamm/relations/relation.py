"""`Relation`: the known covariance matrix K of the levels of one grouping factor.

The random effects of the levels then have covariance K ⊗ σ²λλ' in place of I ⊗ σ²λλ'. K is held
as it was given: as a dense matrix, or as a sparse precision matrix Q = K⁻¹, of which a pedigree of
a hundred thousand animals has a few non-zeros a row.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack
from scipy.sparse.csgraph import connected_components

from numbamm.errors import DataError
from numbamm.memory import refuse_beyond

#: An eigenvalue of K beyond this, relative to the largest, is no rounding error: K is indefinite if
#: it is negative, and has that direction if it is positive.
ROUNDING = 1e-10


class Relation:
    """Known covariances of levels.

    Parameters
    ----------
    labels : ndarray, shape (q,)
        The levels. The data need not have all of them.
    covariance : ndarray, shape (q, q), optional
        K, symmetric and positive semidefinite.
    precision : scipy.sparse.csc_array, shape (q, q), optional
        Q = K⁻¹, symmetric and positive definite; instead of K.
    innovations : Innovations, optional
        What Q is made of, if it is known; instead of Q.
    name : str
        What messages call it: ``cov['animal']``.

    Attributes
    ----------
    labels, name
        As given.

    Raises
    ------
    DataError
        K has a negative eigenvalue, or Q is not positive definite; by the attributes that need to
        know.
    """

    def __init__(
        self, labels, *, covariance=None, precision=None, innovations=None, name: str = ""
    ) -> None:
        self.labels, self.name = labels, name
        self._given, self._innovations = covariance, innovations
        self._precision = precision if innovations is None else innovations.precision

    @property
    def size(self) -> int:
        """Number of levels q."""
        return (self._precision if self._given is None else self._given).shape[0]

    @property
    def is_sparse(self) -> bool:
        """Whether it was given as a sparse precision matrix."""
        return self._given is None

    @cached_property
    def variances(self) -> np.ndarray:
        """Diagonal of K, shape (q,); of a sparse precision by its selected inverse."""
        if self._given is not None:
            return np.diag(self._given).copy()
        return self.factor.inverse_diagonal()

    @cached_property
    def scale(self) -> float:
        """Root mean square of an effect whose own standard deviation is 1."""
        return float(np.sqrt(self.variances.mean()))

    @cached_property
    def covariance(self) -> np.ndarray:
        """K as a dense matrix, shape (q, q)."""
        if self._given is not None:
            return self._given
        self._refuse_large("the covariance matrix")
        L = self._dense_factor(self._precision.toarray(), "precision")
        inverse, _ = lapack.dpotri(L, lower=1)
        return np.tril(inverse) + np.tril(inverse, -1).T

    @cached_property
    def precision(self) -> sp.csc_array:
        """K⁻¹, sparse.

        Raises
        ------
        DataError
            K is singular.
        """
        if self._precision is not None:
            return self._precision
        if self.rank < self.size:
            raise DataError(
                f"{self.name} is singular (its rank is {self.rank} of {self.size}), so that it has "
                "no inverse"
            )
        half = np.linalg.inv(self.root)
        return sp.csc_array(half.T @ half)

    @cached_property
    def root(self) -> np.ndarray:
        """R with RR' = K, shape (q, rank): a Cholesky factor, or scaled eigenvectors."""
        K = self.covariance
        self._refuse_large("a square root of the covariance matrix")
        L, info = lapack.dpotrf(K, lower=1, clean=1)
        least = np.sqrt(ROUNDING * K.diagonal().max(initial=0.0))
        if info == 0 and L.diagonal().min() > least:
            return L
        values, vectors = np.linalg.eigh(K)
        largest = max(values[-1], 0.0)
        if values[0] < -ROUNDING * len(values) * largest or largest == 0.0:
            raise DataError(
                f"{self.name} is no covariance matrix: its smallest eigenvalue is "
                f"{values[0]:.3g}, its largest {values[-1]:.3g}; a relationship matrix that was "
                "rounded or put together from pairs can be made one by adding a little to its "
                "diagonal"
            )
        kept = values > ROUNDING * largest
        return vectors[:, kept] * np.sqrt(values[kept])

    @property
    def rank(self) -> int:
        """Rank of K."""
        return self.size if self.is_sparse else self.root.shape[1]

    @cached_property
    def factor(self):
        """The sparse Cholesky factor of Q, or what does its work."""
        if self._innovations is not None:
            return self._innovations
        from numbamm.relations.sparse_factor import SparseFactor

        try:
            return SparseFactor(self.precision, self.name)
        except FloatingPointError:
            raise _not_positive_definite(self.name) from None

    @property
    def logdet_precision(self) -> float:
        """log|Q|."""
        return self.factor.logdet

    def related(self, normals: np.ndarray) -> np.ndarray:
        """Random effects with covariance K, from independent ones; shapes (q, p)."""
        if self.is_sparse:
            return self.factor.solve_transposed(normals)
        return self.root @ normals[: self.rank]

    def times(self, x: np.ndarray) -> np.ndarray:
        """K x, for columns x, shape (q, p)."""
        return self.factor.solve(x) if self.is_sparse else self.covariance @ x

    def families(self, levels: np.ndarray) -> np.ndarray:
        """Codes of all levels, shape (q,): those of `levels` with different ones are unrelated.

        Parameters
        ----------
        levels : ndarray of int
            Positions of the levels that count; others relate nothing.
        """
        if self.is_sparse:
            return connected_components(self.precision, directed=False)[1]
        codes = np.full(self.size, -1)
        own = sp.csr_array(self.covariance[np.ix_(levels, levels)])
        codes[levels] = connected_components(own, directed=False)[1]
        return codes

    def is_that_of(self, other: Relation) -> bool:
        """Whether another relation is the same: its levels, and their covariances."""
        if self is other:
            return True
        if self.is_sparse != other.is_sparse or not np.array_equal(self.labels, other.labels):
            return False
        if self.is_sparse:
            return abs(self.precision - other.precision).max() == 0
        return np.array_equal(self.covariance, other.covariance)

    def __deepcopy__(self, memo) -> Relation:
        return self  # nothing changes it

    def with_labels(self, labels) -> Relation:
        """The same with labels for its rows."""
        return Relation(labels, covariance=self._given, precision=self._precision, name=self.name)

    def _dense_factor(self, matrix, what: str) -> np.ndarray:
        L, info = lapack.dpotrf(matrix, lower=1, clean=1)
        if info != 0:
            raise _not_positive_definite(self.name)
        return L

    def _refuse_large(self, what: str) -> None:
        refuse_beyond(
            4 * 8 * self.size**2,
            f"{self.name}: {what} of {self.size} levels",
            "give the inverse as a sparse matrix, precision={...}, as mm.pedigree and "
            "mm.phylogeny make it",
        )

    def __repr__(self) -> str:
        kind = "sparse precision" if self.is_sparse else "covariance"
        return f"Relation({self.size} levels, {kind})"


def _not_positive_definite(name: str) -> DataError:
    """The error for a precision matrix that is none."""
    return DataError(
        f"{name} is not positive definite, so that it is no inverse of a covariance matrix: check "
        "how it was made, or give the covariance matrix itself as cov={...}"
    )
