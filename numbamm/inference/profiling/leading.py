"""Columns of a random-effects term in which chosen ones stand first.

The first row of a lower triangular λ has one entry, and the second has two. In columns of which the
user's r-th is the first, its standard deviation is σ times that entry, whatever the others are; and
its correlation with the second is a direction in two entries.
"""

from __future__ import annotations

import numpy as np

from numbamm.design.remat import ReMat
from numbamm.design.scaling import Scaling


def leading(term: ReMat, scaling: Scaling | None, lead, root) -> Scaling | None:
    """The change to columns, of size one, in which given columns stand first in their block.

    Parameters
    ----------
    term : ReMat
        In the user's columns.
    scaling : Scaling, optional
        How its columns are held already.
    lead : sequence of int
        One column, or two of one block.
    root : ndarray, shape (n,), optional
        Square roots of the rows' weights.

    Returns
    -------
    Scaling or None
        None where they stand first as it is.
    """
    block = next(block for block in term.blocks if lead[0] in block)
    if scaling is None and list(lead) == block[: len(lead)]:
        return None
    T = np.eye(term.p) if scaling is None else scaling.T.copy()
    T[block] = _rows(T, block, list(lead))
    z = np.linalg.solve(T.T, term.z)
    size = np.sqrt(np.mean((z if root is None else z * root) ** 2, axis=1))
    size = np.where(size > 0, size, 1.0)
    return Scaling(T * size[:, None], np.asfortranarray(z / size[:, None]), term.inds)


def _rows(T, block, lead) -> np.ndarray:
    """What the effects of a block are made of inside, in their new order.

    Where a column far from 0 was centred, the constant's effect is that at the mean. If the
    constant itself is to lead, it stands beside its value at the mean of another column, which
    it replaces: the two are as different as the rows allow.
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
