"""Components of a design: which levels rows connect, and where their columns are."""

import numpy as np
import pytest
from blocks.dense import rows, structures

from numbamm.blocks.tail.dense_tail import DenseTail
from numbamm.inference.many.connected_levels import components_of

STRUCTURES = structures()


@pytest.mark.parametrize("name", STRUCTURES)
def test_components_hold_all_columns_and_no_products_between_them(name):
    terms = STRUCTURES[name]
    blocks = DenseTail(terms, rows(nx=2))
    parts = components_of(blocks)
    assert parts.sizes.sum() == sum(t.nranef for t in terms)
    assert (np.diff(parts.columns) == parts.sizes).all()
    assert (np.diff(parts.products) == parts.sizes**2).all()
    assert len(parts.terms) == parts.blocks[-1] == sum(t.nlevels for t in terms)
    levels = np.zeros(len(parts.sizes), dtype=int)
    for k, given in enumerate(blocks.layout.order):
        refs, place = terms[given].refs, parts.place[k]
        for level in range(terms[given].nlevels):  # each at one place of one component
            here = refs == level
            assert len(set(zip(parts.of_row[here], place[here], strict=True))) == 1
            levels[parts.of_row[here][0]] += terms[given].p
    assert (levels == parts.sizes).all()
    for c in range(len(parts.sizes)):  # blocks cover the component without gaps
        own = slice(parts.blocks[c], parts.blocks[c + 1])
        widths = [terms[blocks.layout.order[k]].p for k in parts.terms[own]]
        assert parts.places[own].tolist() == (np.cumsum(widths) - widths).tolist()
