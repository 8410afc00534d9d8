"""Coefficients and what belongs to them, labelled."""

import numpy as np
from numpy.testing import assert_allclose


def test_results_are_labelled(model):
    for series in (model.params, model.bse, model.tvalues, model.pvalues):
        assert list(series.index) == ["Intercept", "Days"]
    assert list(model.cov_params().columns) == ["Intercept", "Days"]
    assert_allclose(np.sqrt(np.diag(model.cov_params())), model.bse)
    assert_allclose(np.diag(model.corr_params()), 1)
    assert_allclose(model.tvalues, model.params / model.bse)
    assert_allclose(model.beta, model.params)
    low, high = model.conf_int(0.1).to_numpy().T
    assert_allclose((low + high) / 2, model.params)
    assert_allclose((high - low) / 2, 1.6448536 * model.bse, rtol=1e-7)
