"""`Joined`: a λ of blocks, one after the other, whatever the structures of its parts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import block_diag
from structures.examples import some_theta

from numbamm.structures.diag import Diag
from numbamm.structures.homdiag import HomDiag
from numbamm.structures.joined import Joined
from numbamm.structures.us import Us

PARTS = [(Us(1), Us(2)), (Diag(2), HomDiag(3), Us(1)), (HomDiag(2), HomDiag(2))]


@pytest.mark.parametrize("members", PARTS)
def test_lambda_has_the_parts_on_its_diagonal(members):
    joined = Joined(members)
    thetas = [some_theta(part, seed) for seed, part in enumerate(members)]
    theta = np.concatenate(thetas)
    assert joined.p == sum(part.p for part in members) and joined.size == len(theta)
    expected = block_diag(*(part.matrix(t) for part, t in zip(members, thetas, strict=True)))
    assert_array_equal(joined.matrix(theta), expected)
    outside = block_diag(*(np.ones((part.p, part.p)) for part in members)) == 0
    assert not joined.correlated[outside].any()


def test_a_single_part_that_is_left_stands_alone():
    joined = Joined((Diag(2), HomDiag(3), Us(1)))
    assert joined.select([2, 4]) == HomDiag(2)
    assert joined.select([0, 5]) == Joined((Diag(1), Us(1)))


def test_columns_of_one_size_are_those_of_each_part():
    assert Joined((Diag(2), HomDiag(3))).of_one_size == [[0], [1], [2, 3, 4]]


def test_a_number_for_each_part_is_a_row_of_its_own():
    joined = Joined((HomDiag(2), Diag(2)))
    assert joined.rows.tolist() == [0, 2, 3]
    assert_allclose(joined.jacobian(np.ones(3)), [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
