"""Parts of rows."""

import numpy as np

import numbamm as mm
from numbamm.inference.resampling.folds import folds


def test_parts_are_of_equal_size_and_keep_groups_together():
    m = mm.LinearMixedModel("Reaction ~ Days + (1 | Subject)", mm.datasets.load("sleepstudy"))
    rng = np.random.default_rng(1)
    part, name = folds(m, None, 7, rng)
    assert np.ptp(np.bincount(part)) <= 1 and name == "rows"
    part, name = folds(m, "Subject", 50, rng)  # more parts than groups: one group each
    assert part.max() == 17 and name == "Subject"
    assert all(len(set(part[m.reterms[0].refs == j])) == 1 for j in range(18))
