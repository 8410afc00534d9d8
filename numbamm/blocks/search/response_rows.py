"""The rows of one response after another: A where a response lacks some of the rows.

A response without some rows has the same layout: their columns are zero, and levels that occur in
none of its rows have blocks of zeros, which change nothing.
"""

from __future__ import annotations

from numbamm.blocks.cholesky import DEGREES, REML
from numbamm.blocks.crossprod import crossprod, crossprod_response
from numbamm.blocks.jit import jit
from numbamm.blocks.layout import NX


@jit(entry=False)
def load_response(i, y, kept, pattern, model, rows, z, xy):
    """Let A, and the number of degrees of freedom, be those of response i.

    Parameters
    ----------
    i : int
        The response; calls are for one after the other, from 0 on.
    y : float64, shape (responses, n)
        Zero where a row is missing.
    kept : float64, shape (patterns, n)
        For each pattern of missing values, 1 for rows that there are, else 0.
    pattern : int64, shape (responses,)
        The pattern of each response.
    model : evaluation.Model
        A and `degrees` are overwritten.
    rows : tuple of refs, z, xy, places
        All rows, as for `crossprod.crossprod`; only read.
    z, xy : float64
        Of the same shapes: the rows that there are.

    Returns
    -------
    bool
        Whether the rows are others than those of the response before.
    """
    refs, all_z, all_xy, places = rows
    table, nx = model.table, model.table[0, NX]
    here = kept[pattern[i]]
    changed = i == 0 or pattern[i] != pattern[i - 1]
    if changed:
        n = 0
        for row in range(len(here)):
            factor = here[row]
            n += factor > 0.0
            for c in range(z.shape[1]):
                z[row, c] = factor * all_z[row, c]
            for c in range(nx):
                xy[row, c] = factor * all_xy[row, c]
        model.degrees[DEGREES] = n - model.degrees[REML] * nx
    for row in range(len(here)):
        xy[row, nx] = y[i, row]
    if changed:
        crossprod(refs, z, xy, table, places, model.A)
    else:
        crossprod_response(refs, z, xy, table, model.A)
    return changed
