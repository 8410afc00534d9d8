"""The order in which a sparse matrix is factored, by CHOLMOD through scikit-sparse: optional.

CHOLMOD orders; `supernodes` factors. Where a distribution links CHOLMOD with the reference BLAS, as
Debian does, its own factorisation takes ten times as long, and it holds the GIL in any case.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import scipy.sparse as sp

#: What is said where it is missing.
MISSING = "scikit-sparse is not installed (pip install 'numbamm[sparse]')"


def is_installed() -> bool:
    """Whether scikit-sparse can be imported; it is not imported."""
    return find_spec("sksparse") is not None


def fill_reducing_order(colptr, rows) -> np.ndarray:
    """A permutation, by approximate minimum degree, that keeps the factor sparse; postordered.

    Parameters
    ----------
    colptr, rows : ndarray of int32
        The lower triangle by columns.

    Returns
    -------
    ndarray of int32, shape (order,)
        Row and column i of the permuted matrix are those of this number in the matrix.
    """
    from sksparse.cholmod import analyze

    order = len(colptr) - 1
    lower = sp.csc_matrix((np.ones(len(rows)), rows, colptr), shape=(order, order))
    return analyze(lower, mode="supernodal", ordering_method="amd", use_long=False).P()
