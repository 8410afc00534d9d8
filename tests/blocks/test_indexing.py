"""Entries and slices in kernels: what Python does with the same statements."""

import numba
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INDEX, INTEGERS, MATRIX, NOTHING, REALS
from numbamm.blocks.linking import dispatcher_of


@jit(takes=(MATRIX, REALS, INTEGERS, INDEX), gives=NOTHING, cache=False)
def everything(matrix, out, counts, index):
    """Reads and writes entries of every kind of array, by every kind of integer."""
    out[0] = matrix[1, 2] + matrix[index[0], counts[0]]
    matrix[0, 1] = 7  # an integer among floats
    matrix[counts[0], index[1]] += out[0]
    counts[1] = out[0] > 0.0  # a truth among integers
    index[2] = counts[0] + 1  # a long integer among short ones
    part = out[2:99]  # cut at the end of the array
    for i in range(len(part)):
        part[i] = 10.0 * i
    inner = out[counts[0] : index[2] + 2]
    counts[2], counts[3], counts[4] = len(part), len(out[5:2]), len(inner)
    counts[5] = len(out[98:99])
    row = matrix[2]
    row[0] = inner[1]


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="there is nothing to compile")
def test_kernels_do_what_python_does():
    rng = np.random.default_rng(1)
    arrays = (
        rng.normal(size=(3, 4)),
        rng.normal(size=6),
        np.array([1, 0, 0, 0, 0, 0]),
        np.array([2, 3, 0], dtype=np.int32),
    )
    ours, pythons = ([a.copy() for a in arrays] for _ in range(2))
    everything(*ours)
    dispatcher_of(everything).py_func(*pythons)
    for found, expected, before in zip(ours, pythons, arrays, strict=True):
        assert_array_equal(found, expected)
        assert not np.array_equal(expected, before)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="there is nothing to compile")
def test_other_layouts_and_steps_are_numbas_own():
    @numba.njit
    def usual(matrix, out):
        return matrix[0, 1], out[::2].sum()

    @jit(cache=False, owns=True)
    def ours(matrix, out):
        return matrix[0, 1], out[::2].sum()

    matrix, out = np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(5.0)
    assert ours(matrix, out) == usual(matrix, out) == (1.0, 6.0)
