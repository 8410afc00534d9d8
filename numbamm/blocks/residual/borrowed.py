"""Variances of predictions that borrow from the residuals of a fit's rows.

A prediction x'β̂ + z'b̂ + w'ε̂, ε̂ = y - Xβ̂ - Zb̂, has the error of the row (x - X'w, z - Z'w), which
meets all levels of the rows that it borrows from.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, hstack

from numbamm.blocks.layout import NHEAD, NLEVEL, P

#: Entries of dense right-hand sides that are solved with at once.
BATCH = 4_000_000


def borrowed_variances(at, terms, x, shares) -> np.ndarray:
    """Variances over σ² of (x - X'w)'γ̂ + (z - Z'w)'(b̂ - b), shape (m,).

    Parameters
    ----------
    at : RowsAt
        Its tail with the factor at θ.
    terms : list of (refs, z)
        Levels of the m rows, -1 for none, and columns, shape (p, m), of each term.
    x : ndarray, shape (m, nx)
    shares : sparse array, shape (m, n)
        w times √weight / d of the sorted rows of the fit, which they are divided by.
    """
    of, parts, column = at.of, [], 0
    for k, given in enumerate(of.layout.order):
        p, nlevel = (int(v) for v in of.layout.table[1 + k, [P, NLEVEL]])
        refs, z = terms[given]
        known = _indicators(of.refs[k], at.z[:, column : column + p], nlevel)
        parts.append(_indicators(refs, z.T, nlevel) - shares @ known)
        column += p
    parts.append(csr_array(x - shares @ at.xy[:, :-1]))
    rows = hstack(parts, format="csr") if len(parts) > 1 else parts[0]
    widths = of.layout.table[1 : 1 + of.layout.table[0, NHEAD], [P, NLEVEL]].prod(axis=1)
    head, out = int(widths.sum()), np.empty(len(x))
    step = max(1, BATCH // max(1, rows.shape[1]))
    for first in range(0, len(out), step):
        own = slice(first, first + step)
        dense = np.ascontiguousarray(rows[own].toarray().T)
        below = np.vstack([dense[head:], np.zeros((1, dense.shape[1]))])  # the last row is y's
        halves = at.halves(dense[:head].copy(), of.roots.right_sides(below))
        out[own] = sum((half**2).sum(axis=0) for half in halves)
    return out


def _indicators(refs, z, nlevel: int) -> csr_array:
    """Rows of Z of one term, shape (n, levels × p), from those of its columns, shape (n, p)."""
    n, p = z.shape
    rows = np.flatnonzero(np.asarray(refs) >= 0)
    columns = np.asarray(refs)[rows, None] * p + np.arange(p)
    places = np.repeat(rows, p), columns.ravel()
    return csr_array((z[rows].ravel(), places), shape=(n, nlevel * p))
