"""Equal rows have equal hashes, others different ones."""

import numpy as np

from numbamm.design.rowhash import row_hashes


def test_hashes_tell_rows_apart():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 40, 3000), rng.integers(0, 30, 3000) / 7
    hashes = row_hashes([a, b])
    assert len(np.unique(hashes)) == len(np.unique(np.column_stack([a, b]), axis=0))
    again = row_hashes([a[::-1], b[::-1]])
    assert (again == hashes[::-1]).all()
    assert len(np.unique(row_hashes([a, a * 0]))) == len(np.unique(a))
