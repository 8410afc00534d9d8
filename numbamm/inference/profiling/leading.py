"""`leading`: the columns of a random-effects term reordered so that chosen columns come first.

The first row of the lower triangular λ has one entry, the second has two. If a column comes first,
its standard deviation is σ times the single entry, whatever the other entries are. If two columns
come first, their correlation depends on the two entries of the second row alone.
"""

from __future__ import annotations

import numpy as np

from numbamm.design.remat import ReMat
from numbamm.design.scaling import Scaling


def leading(term: ReMat, scaling: Scaling | None, lead, root) -> Scaling | None:
    """A scaling of a term's columns that puts given columns first in their block.

    Parameters
    ----------
    term : ReMat
        The term with the user's columns.
    scaling : Scaling, optional
        The present scaling of the columns.
    lead : sequence of int
        The columns to put first: one, or two of the same block.
    root : ndarray, shape (n,), optional
        Square roots of the rows' weights.

    Returns
    -------
    Scaling or None
        The new scaling, with columns of root mean square one; None if the columns come first
        already.
    """
    block = next(block for block in term.structure.blocks if lead[0] in block)
    if len(block) == 1 or (scaling is None and list(lead) == block[: len(lead)]):
        return None
    T = np.eye(term.p) if scaling is None else scaling.T.copy()
    T[block] = _reordered_rows(T, block, list(lead))
    size = Scaling.by(term, T).scaled(term).root_mean_squares(root)
    return Scaling.by(term, T * np.where(size > 0, size, 1.0)[:, None])


def _reordered_rows(T, block, lead) -> np.ndarray:
    """The rows of T for a block's effects in their new order.

    If a column far from 0 was centred, the scaled effect of the constant is that at the column's
    mean. If the constant itself comes first, its effect at 0 and its effect at the mean of another
    column stand side by side, and the latter replaces that column's effect.
    """
    mixed = [k for k in lead if np.count_nonzero(T[k]) > 1]
    if not mixed:
        return T[[*lead, *(j for j in block if j not in lead)]]
    [constant] = mixed
    others = [j for j in block if j != constant]
    partners = [j for j in lead if j != constant] or others
    partner = max(partners, key=lambda j: abs(T[constant, j]))
    first, second = np.eye(len(T))[[constant, partner]]
    second = first + T[constant, partner] * second if T[constant, partner] else T[partner]
    return np.array([first, second, *(T[j] for j in others if j != partner)])
