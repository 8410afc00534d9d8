"""The linear mixed model of the working response: its fit is the best of that model."""

import numpy as np
import pytest
from blocks.dense import dense_model
from glm.small import SHAPE, Small

from numbamm.glm import row_kernels
from numbamm.glm.working_start import fit_working_model


@pytest.mark.parametrize("kind", ["logistic", "counts", "gamma"])
def test_no_theta_nearby_is_better(kind):
    it = Small(kind, "crossed densely, vectors")
    eta = it.offset + it.basis @ it.gamma  # at u = 0
    lines = it.rows(row_kernels.WORKING, eta)
    root = np.sqrt(lines[row_kernels.WEIGHT])
    response = eta - it.offset + lines[row_kernels.SCORE] / lines[row_kernels.WEIGHT]
    sigma = None if it.family.dispersed else 1.0
    theta, gamma = fit_working_model(it.modes, it.theta, it.gamma.copy(), SHAPE, sigma or 0.0)

    class weighted:
        def __init__(self, term):
            self.__dict__.update(vars(term))
            self.term = term

        def __getattr__(self, name):
            return getattr(self.term, name)

        def toarray(self):
            return root[:, None] * self.term.toarray()

    terms = [weighted(term) for term in it.terms]
    data = root[:, None] * np.column_stack([it.basis, response])

    def dense(theta):
        return dense_model(terms, data, theta, sigma=sigma)

    best = dense(theta)
    np.testing.assert_allclose(gamma, best.beta, atol=1e-6)
    np.testing.assert_allclose(it.u(), best.u, atol=1e-6)
    rng = np.random.default_rng(0)
    for size in (0.01, 0.1, 1.0):
        near = theta + size * rng.normal(size=(10, len(theta)))
        assert min(dense(t).objective for t in near) > best.objective - 0.01


def test_no_fit_where_there_is_none():
    it = Small("counts", "vector")
    it.modes = it.modes.replaced(y=np.full_like(it.y, np.nan))
    assert fit_working_model(it.modes, it.theta, it.gamma.copy(), SHAPE, 1.0) is None
