"""The components of a design: groups of levels that rows connect; see `second_derivatives`."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from numbamm.blocks.layout import NLEVEL, NX, P
from numbamm.blocks.second_derivatives import Components, scratch_size
from numbamm.memory import refuse_beyond


def components_of(blocks) -> Components:
    """The components of a model's terms, without buffers.

    Parameters
    ----------
    blocks : DenseTail
    """
    table, refs = blocks.layout.table, blocks.refs
    nterm, nx = len(refs), int(table[0, NX])
    p, nlevel = table[1 : 1 + nterm, P], table[1 : 1 + nterm, NLEVEL]
    starts = np.cumsum([0, *nlevel])
    nodes = refs.astype(np.int64) + starts[:-1, None]
    if nterm == 1:  # each level by itself
        number, group = int(starts[-1]), np.arange(starts[-1])
    else:
        ends = np.tile(nodes[0], nterm), nodes.ravel()
        graph = sp.coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(starts[-1],) * 2)
        number, group = connected_components(graph, directed=False)
    term = np.repeat(np.arange(nterm), nlevel)
    levels = np.lexsort((term, group))  # component by component, term by term
    width = p[term[levels]]
    sizes = np.bincount(group[levels], weights=width, minlength=number).astype(np.int64)
    columns = _starts(sizes)
    first = np.cumsum(width) - width - columns[group[levels]]  # within the component
    place_of = np.empty(starts[-1], dtype=np.int64)
    place_of[levels] = first
    return Components(
        sizes=sizes,
        columns=columns,
        products=_starts(sizes**2),
        blocks=_starts(np.bincount(group, minlength=number)),
        terms=term[levels].astype(np.int64),
        places=first.astype(np.int64),
        of_row=group[nodes[0]].astype(np.int64),
        place=np.ascontiguousarray(place_of[nodes]),
        products_of=np.empty(0),
        cross=np.empty((0, nx + 1)),
        scratch=np.empty(0),
    )


def with_buffers(parts: Components, nx: int, ntheta: int) -> Components:
    """The same components with buffers.

    Raises
    ------
    DataError
        A component is too large for dense matrices of its order.
    """
    order = int(parts.sizes.max(initial=0))
    size = scratch_size(order, nx, ntheta)
    refuse_beyond(
        8 * (size + int(parts.products[-1])),
        f"second derivatives where rows connect {order} random effects",
        'use ddf="wald"',
    )
    return parts._replace(
        products_of=np.empty(int(parts.products[-1])),
        cross=np.empty((int(parts.columns[-1]), nx + 1)),
        scratch=np.empty(size),
    )


def _starts(sizes) -> np.ndarray:
    """Where each of consecutive pieces begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
