"""CHOLMOD is asked for an order alone."""

import numpy as np
import pytest
from blocks.tail.sparse_matrices import SHAPES, lower

pytest.importorskip("sksparse")

from numbamm.blocks.tail.cholmod import fill_reducing_order
from numbamm.blocks.tail.supernodes import parents_and_counts


def filled(A, P):
    return parents_and_counts(*lower(A)[:2], P)[1].sum()


@pytest.mark.parametrize("name", SHAPES)
def test_it_is_a_permutation(name):
    A = SHAPES[name]
    assert sorted(fill_reducing_order(*lower(A)[:2])) == list(range(len(A)))


def test_it_keeps_the_factor_sparse():
    A = SHAPES["arrow"][::-1, ::-1]  # the full row first: everything fills in
    P = fill_reducing_order(*lower(A)[:2])
    assert filled(A, np.arange(12)) == 78 and filled(A, P) == 23
