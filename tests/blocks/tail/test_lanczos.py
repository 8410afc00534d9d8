"""log-determinants by quadrature against exact ones."""

import numpy as np
import pytest
from blocks.tail.iterated import all_directions

from numbamm.blocks.tail import conjugate_gradients, probes
from numbamm.blocks.tail.lanczos import log_forms


def unit_diagonal(n, seed):
    rng = np.random.default_rng(seed)
    B = rng.normal(size=(n, 3 * n))
    S = B @ B.T + n * np.eye(n)
    root = np.sqrt(np.diag(S))
    return S / np.outer(root, root)


def forms(S, Z):
    def times(X, out):
        out[:] = S @ X

    found = conjugate_gradients.solve(times, Z, 1e-12, 300)
    return log_forms(found.alpha, found.beta, (Z**2).sum(axis=0))


@pytest.mark.parametrize("n", [1, 2, 40])
def test_over_all_directions_it_is_exact(n):
    S = unit_diagonal(n, n)
    values = forms(S, all_directions(n))
    np.testing.assert_allclose(values.mean(), np.linalg.slogdet(S)[1], rtol=1e-9, atol=1e-12)


def test_random_probes_are_within_their_error():
    S = unit_diagonal(60, 3)
    values = forms(S, probes.draw(60, 64, 5))
    error = values.std(ddof=1) / 8
    assert abs(values.mean() - np.linalg.slogdet(S)[1]) < 4 * error


def test_the_first_order_is_left_out():
    S = unit_diagonal(60, 4)
    Z = probes.draw(60, 64, 5)
    whole = np.einsum("ij,ij->j", Z, S @ Z) - 60 + forms(S, Z)
    assert forms(S, Z).std() < whole.std() / 2
