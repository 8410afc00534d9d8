"""Arrays of rows that were not kept know their shapes, and refuse all else."""

import copy
import pickle

import numpy as np
import pytest

import numbamm as mm
from numbamm.design.absent import Absent, absent, is_absent


@pytest.mark.parametrize(
    "use",
    [
        np.asarray,
        np.sqrt,
        np.sum,
        list,
        bool,
        lambda y: y[0],
        lambda y: y + 1,
        lambda y: 2 * y,
        lambda y: np.ones(3) @ y,
        lambda y: np.ones(3) - y,
        lambda y: y == 0,
        lambda y: y < 0,
        lambda y: y.mean(),
    ],
)
def test_values_are_refused_with_a_remedy(use):
    with pytest.raises(mm.DataError, match="needs the response .*frame in memory"):
        use(absent("the response", 3))


def test_shapes_copies_and_pickles():
    y = Absent("the columns", (2, 5))
    assert (len(y), y.shape, y.ndim) == (2, (2, 5), 2)
    assert is_absent(copy.deepcopy(y)) and is_absent(pickle.loads(pickle.dumps(y)))
    assert not is_absent(np.ones(3))
    assert "5 rows" in repr(y)
