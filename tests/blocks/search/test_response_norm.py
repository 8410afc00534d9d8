"""r² of another response with the factor of an earlier one, against a whole factorisation."""

import numba
import numpy as np
import pytest
from blocks.dense import dense_model, random_theta, rows, structures

from numbamm.blocks.search.response_norm import response_norm, vector_length
from numbamm.blocks.tail.dense_tail import DenseTail

STRUCTURES = structures()


@numba.njit
def norm(table, index, A, work):
    return response_norm(table, index, A, work, np.full(vector_length(table), np.nan))


@pytest.mark.parametrize("nx", [0, 3])
@pytest.mark.parametrize("name", STRUCTURES)
def test_norm_of_another_response(name, nx):
    terms, first, second = STRUCTURES[name], rows(nx=nx), rows(nx=nx, seed=9)
    blocks = DenseTail(terms, first)
    theta = random_theta(terms)
    theta[0] = 0.0  # a singular λ is a factor like others
    blocks.factorize(theta)
    table, index, work = blocks.layout.table, blocks.layout.index, blocks.work.copy()
    blocks.new_response(second[:, -1])
    xy = np.column_stack([first[:, :-1], second[:, -1]])
    d = len(xy)
    dense = dense_model(terms, xy, theta)
    residual = xy[:, -1] - xy[:, :-1] @ dense.beta
    r2 = residual @ np.linalg.solve(np.eye(d) + dense.ZL @ dense.ZL.T, residual)
    assert norm(table, index, blocks.A, work) == pytest.approx(r2, rel=1e-10)
