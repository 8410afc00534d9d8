"""The pattern of a sparse tail: exactly where T may differ from zero, in order."""

import numpy as np
import pytest
from blocks.dense import rows, structures
from blocks.tail.designs import KINDS, terms_of

from numbamm.blocks.layout import NHEAD, ROW, P
from numbamm.blocks.tail.dense_tail import DenseTail
from numbamm.blocks.tail.sparse_pattern import (
    estimated_nonzeros,
    order_of_sparse_part,
    pattern_of,
)

DESIGNS = {kind: terms_of(np.random.default_rng(7), kind, 160) for kind in KINDS} | structures()


def filled(terms, layout):
    """Which rows of the tail's sparse part meet: in a row of the data, or at a head's level."""
    order, nhead = order_of_sparse_part(layout), layout.table[0, NHEAD]
    n, found = len(terms[0].refs), []
    for k, given in enumerate(layout.order):
        if nhead <= k and layout.table[1 + k, ROW] < order:
            term, p = terms[given], layout.table[1 + k, P]
            Z = np.zeros((n, p * len(term.levels)), dtype=int)
            for c in range(p):
                Z[np.arange(n), term.refs * p + c] = 1
            found.append(Z)
    if not found:
        return np.zeros((0, 0), dtype=bool)
    Z = np.hstack(found)
    last = terms[layout.order[nhead - 1]]
    level = (last.refs[:, None] == np.arange(len(last.levels))).astype(int)
    shared = level.T @ Z > 0
    return (Z.T @ Z + shared.T.astype(int) @ shared.astype(int)) > 0


@pytest.mark.parametrize("name", DESIGNS)
def test_the_pattern_is_where_rows_meet(name):
    terms = DESIGNS[name]
    layout = DenseTail(terms, rows(len(terms[0].refs))).layout
    pattern, expected = pattern_of(layout), filled(terms, layout)
    order = order_of_sparse_part(layout)
    assert len(pattern.colptr) == order + 1 and len(expected) == order
    got = np.zeros((order, order), dtype=bool)
    for j in range(order):
        here = pattern.rows[pattern.colptr[j] : pattern.colptr[j + 1]]
        assert (np.diff(here) > 0).all() and here[0] == j
        got[here, j] = True
    np.testing.assert_array_equal(got, np.tril(expected))
    assert 0.5 * len(pattern.rows) <= estimated_nonzeros(layout) <= 2 * len(pattern.rows)


def test_an_estimate_from_some_columns():
    rng, n = np.random.default_rng(2), 4000
    terms = terms_of(rng, "movers", n)
    layout = DenseTail(terms, rows(n)).layout
    true = len(pattern_of(layout).rows)
    assert 0.7 * true < estimated_nonzeros(layout) < 1.4 * true
