"""Standard errors of generalized models, by the Hessian in all parameters."""

import numpy as np
from generalized_oracles import ORACLES, each_oracle
from numpy.testing import assert_allclose


@each_oracle
def test_coefficients_and_standard_errors(name, fitted_glmm):
    model, oracle = fitted_glmm(name), ORACLES[name].entry
    difference = np.abs(model.params.to_numpy() - oracle["beta"])
    assert (difference < 1e-3 * np.array(oracle["se"])).all()
    assert_allclose(model.bse, oracle["se"], rtol=1e-3)
