"""Structures of thresholds."""

import numpy as np
import pytest

from numbamm.glm.cumulative.thresholds import (
    STRUCTURES,
    shift,
    threshold_matrix,
    threshold_names,
)


def test_structures_are_those_of_the_package_ordinal():
    rows = [[1, 0, -1], [1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert threshold_matrix("symmetric", 4).tolist() == rows
    assert threshold_matrix("symmetric", 3).tolist() == [[1, -1], [1, 0], [1, 1]]
    assert threshold_matrix("equidistant", 3).tolist() == [[1, 0], [1, 1], [1, 2]]


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_each_structure_can_move_all_thresholds_alike(structure, count):
    T = threshold_matrix(structure, count)
    assert np.linalg.matrix_rank(T) == T.shape[1]
    np.testing.assert_allclose(T @ shift(structure, count), 1, atol=1e-10)
    assert len(threshold_names(structure, list(range(count + 1)))) == T.shape[1]


def test_names():
    assert threshold_names("flexible", ["a", 2, True]) == ["a|2", "2|True"]
    assert threshold_names("symmetric", "abcde") == ["central.1", "central.2", "spacing.1"]
    assert threshold_names("equidistant", "abcde") == ["threshold.1", "spacing"]
