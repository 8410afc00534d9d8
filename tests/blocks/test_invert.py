"""The inverse of a triangle against numpy, across the sizes where its blocks change."""

import numpy as np
import pytest

from numbamm.blocks.invert import BLOCK, SMALL, invert_lower


@pytest.mark.parametrize("n", [1, 2, SMALL, SMALL + 1, BLOCK, BLOCK + 1, 5 * BLOCK, 7 * BLOCK + 3])
def test_invert_lower(n):
    rng = np.random.default_rng(n)
    triangle = np.tril(rng.normal(size=(n, n)), -1) / n + np.diag(rng.uniform(1, 2, n))
    held = triangle + np.triu(np.full((n, n), np.nan), 1)  # what stands above is not read
    columns = held.T.ravel().copy()
    invert_lower(columns, n)
    np.testing.assert_allclose(
        np.tril(columns.reshape(n, n).T), np.linalg.inv(triangle), atol=1e-13
    )
