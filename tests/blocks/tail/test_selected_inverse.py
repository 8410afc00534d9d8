"""The selected inverse against the whole one, on sparse factors of all shapes."""

import numpy as np
import pytest
from blocks.tail.sparse_matrices import SHAPES, entries, factored, random
from hypothesis import given, settings
from hypothesis import strategies as st

from numbamm.blocks.tail.selected_inverse import invert_on_pattern, scratch_size


def check(A, P):
    nodes, Z, _ = factored(A, P)
    invert_on_pattern(nodes, Z, np.full(scratch_size(nodes), np.nan))
    row, column, place = entries(nodes)
    expected = np.linalg.inv(A)[P[row], P[column]]
    np.testing.assert_allclose(Z[place], expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    A = SHAPES[name]
    check(A, np.arange(len(A)))
    check(A, np.random.default_rng(1).permutation(len(A)))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.floats(0.003, 0.3), st.integers(0, 10**6))
def test_any_factor(n, density, seed):
    check(random(n, density, seed), np.random.default_rng(seed).permutation(n))
