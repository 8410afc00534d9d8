"""CHOLMOD through scikit-sparse, which is optional: one analysis, a factor for each thread."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import scipy.sparse as sp

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, INTEGERS, NOTHING

#: What is said where it is missing.
MISSING = "scikit-sparse is not installed (pip install 'numbamm[sparse]')"


def is_installed() -> bool:
    """Whether scikit-sparse can be imported; it is not imported."""
    return find_spec("sksparse") is not None


class Analysis:
    """The order in which a pattern is factored, and how much fills in.

    Parameters
    ----------
    colptr, rows : ndarray of int32
        The lower triangle by columns.

    Attributes
    ----------
    counts : ndarray of int64
        Number of non-zeros of each column of the factor, without what CHOLMOD adds to have larger
        dense blocks.
    """

    def __init__(self, colptr, rows) -> None:
        self._colptr, self._rows = colptr, rows
        self._symbolic = None
        lower = self.matrix(np.ones(len(rows)))
        P = self.factor().P()
        whole = lower + sp.tril(lower, -1).T
        upper = sp.triu(whole[P][:, P], format="csc")  # by columns: the rows of the lower triangle
        upper.sort_indices()
        self.counts = np.ones(len(P), dtype=np.int64)
        column_counts(upper.indptr.astype(np.int32), upper.indices.astype(np.int32), self.counts)

    def __getstate__(self) -> dict:
        return vars(self) | {"_symbolic": None}  # which cannot be pickled

    def matrix(self, values) -> sp.csc_matrix:
        """The lower triangle with these values, which are not copied."""
        order = len(self._colptr) - 1
        return sp.csc_matrix((values, self._rows, self._colptr), shape=(order, order))

    def factor(self):
        """A symbolic factor of its own, for one thread."""
        from sksparse.cholmod import analyze

        if self._symbolic is None:
            ones = self.matrix(np.ones(len(self._rows)))
            options = {"mode": "supernodal", "ordering_method": "amd", "use_long": False}
            self._symbolic = analyze(ones, **options)
        return self._symbolic.copy()


@jit(takes=(INDEX, INDEX, INTEGERS), gives=NOTHING, owns=True)
def column_counts(rowptr, columns, counts):
    """Add the numbers of entries below the diagonal of a Cholesky factor's columns to `counts`.

    Parameters
    ----------
    rowptr, columns : int32
        The lower triangle of the matrix by rows.
    counts : int64

    Notes
    -----
    A row of the factor has the columns on the paths from the matrix's columns in that row up the
    elimination tree (Liu, 1990, SIAM J. Matrix Anal. Appl. 11, 134-172).
    """
    order = len(counts)
    parent, ancestor = np.full(order, -1), np.full(order, -1)
    for row in range(order):
        for t in range(rowptr[row], rowptr[row + 1]):
            column = columns[t]
            while column != -1 and column < row:
                above = ancestor[column]
                ancestor[column] = row
                if above == -1:
                    parent[column] = row
                column = above
    seen = np.full(order, -1)
    for row in range(order):
        seen[row] = row
        for t in range(rowptr[row], rowptr[row + 1]):
            column = columns[t]
            while column < row and seen[column] != row:
                counts[column] += 1
                seen[column] = row
                column = parent[column]
