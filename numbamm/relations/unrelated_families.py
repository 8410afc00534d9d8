"""The inverse of a sparse covariance matrix of many unrelated families: family by family."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

#: Fewer levels are a dense matrix; and families of at most so many are inverted.
FEW, LARGEST = 1500, 1000


def inverse_of_blocks(K: sp.csc_array) -> sp.csc_array | None:
    """The inverse of a sparse K, which is as sparse; None where there is none, or few levels.

    Levels between which K has a path are a family. A large family, or a singular one, has none.
    """
    family = connected_components(K, directed=False)[1]
    size = np.bincount(family)
    if K.shape[0] <= FEW or size.max() > LARGEST:
        return None
    order = np.argsort(family, kind="stable")
    ordered, starts = sp.csr_array(K)[order][:, order], np.cumsum(size) - size
    rows, columns, values = [], [], []
    for start, n in zip(starts.tolist(), size.tolist(), strict=True):
        own = slice(start, start + n)
        try:
            L = np.linalg.cholesky(ordered[own, own].toarray())
        except np.linalg.LinAlgError:
            return None
        half = np.linalg.inv(L)
        members = order[own]
        rows.append(np.repeat(members, n))
        columns.append(np.tile(members, n))
        values.append((half.T @ half).ravel())
    where = np.concatenate(rows), np.concatenate(columns)
    return sp.csc_array((np.concatenate(values), where), shape=K.shape)
