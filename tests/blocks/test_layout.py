"""The layout table: no region is written beyond its end, and every kind of block occurs."""

import numpy as np
from blocks.dense import random_theta
from blocks.examples import GAP, STRUCTURES, built, each_structure, evaluate_gradient


@each_structure
def test_regions_do_not_overrun(name):
    terms, xy, blocks = built(name)
    evaluate_gradient(blocks, random_theta(terms), xy)
    blocks.new_response(xy[:, -1])
    buffers = {"A": blocks.A, "work": blocks.work, "adjoint": blocks.adjoint}
    for what, buffer, start, stop in blocks.layout.regions:
        assert np.isnan(buffers[buffer][stop : stop + GAP]).all(), what
        if buffer == "A" and "X and y" not in what:  # of which the lower triangle is used
            assert not np.isnan(blocks.A[start:stop]).any(), what


def test_every_kind_of_block_is_tested():
    seen = {kind for name in STRUCTURES for row in built(name)[2].layout.kinds() for kind in row}
    assert seen == {
        "Diagonal",
        "Diagonal/Dense",
        "BlkDiag",
        "BlkDiag/Dense",
        "Nested",
        "Sparse",
        "Sparse/Dense",
        "Dense",
    }
