"""The parameters inside, and gradients in the user's."""

import numpy as np
from numpy.testing import assert_allclose

from numbamm.models.inside import slopes_outward


def test_the_chain_rule():
    """f(g(x)) with g linear, and with its square: f' times g', of entries of any size."""
    rng = np.random.default_rng(1)
    A, x, slopes = rng.normal(size=(3, 3)), np.array([0.0, -2.0, 1e4]), rng.normal(size=3)
    assert_allclose(slopes_outward(A.__matmul__, x, slopes), A.T @ slopes, rtol=1e-6)
    found = slopes_outward(lambda at: (A @ at) ** 2, x, slopes)
    assert_allclose(found, A.T @ (2 * (A @ x) * slopes), rtol=1e-6)
